"""Writes by their writer, from lines as the API server logs them."""

import json

import pytest

from bench import audit

CONTROLLER = "kube-controller-manager/v1.36.3 (linux/amd64) kubernetes/abc/"


def _line(agent: str, verb: str, resource: str, subresource: str = "", code: int = 201) -> bytes:
    reference = {"resource": resource, "namespace": "bench", "subresource": subresource}
    event = {
        "kind": "Event",
        "stage": "ResponseComplete",
        "verb": verb,
        "userAgent": agent,
        "objectRef": reference,
        "responseStatus": {"metadata": {}, "code": code},
    }
    return json.dumps(event).encode()


def test_writes_are_counted_by_agent_verb_and_resource() -> None:
    lines = [
        _line("stargate-operator/one", "create", "pods"),
        _line("stargate-operator/one", "create", "pods"),
        _line("stargate-operator/one", "update", "stargatejobs", "status", 200),
    ]
    assert audit.count(lines) == {
        "stargate-operator create pods": 2,
        "stargate-operator update stargatejobs/status": 1,
    }


@pytest.mark.parametrize("code", [404, 409, 429, 500])
def test_refused_request_is_not_a_write(code: int) -> None:
    assert audit.count([_line("stargate-floor/bench", "delete", "pods", code=code)]) == {}


def test_writes_of_the_bench_itself_are_excluded() -> None:
    assert audit.count([_line("", "create", "stargatejobs")], own=["unknown"]) == {}


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        (f"{CONTROLLER}system:serviceaccount:kube-system:job-controller", "job-controller"),
        (f"{CONTROLLER}generic-garbage-collector", "generic-garbage-collector"),
        ("kube-scheduler/v1.36.3 (linux/amd64) kubernetes/abc/scheduler", "kube-scheduler"),
        ("stargate-operator/operator", "stargate-operator"),
        ("", "unknown"),
    ],
)
def test_writer_is_named_after_program_or_controller(user_agent: str, agent: str) -> None:
    assert audit.agent(user_agent) == agent
