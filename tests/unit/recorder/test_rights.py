"""The requests that count as the operator's, and the right that each needs."""

import json
from pathlib import Path

import pytest

from tests.rights.rights import Right, asked, granted

PODS = {"resource": "pods", "namespace": "team", "apiVersion": "v1"}
JOB_STATUS = {"resource": "stargatejobs", "subresource": "status", "apiGroup": "stargate.dev"}
OPERATOR = "system:serviceaccount:stargate-system:stargate-operator"


def entry(
    verb: str,
    of: dict[str, str] | None,
    *,
    user: str = OPERATOR,
    agent: str = "stargate-operator/pod-1",
    decision: str = "allow",
    code: int = 200,
) -> str:
    return json.dumps(
        {
            "verb": verb,
            "user": {"username": user},
            "userAgent": agent,
            "requestURI": "/there",
            "objectRef": of,
            "responseStatus": {"code": code},
            "annotations": {"authorization.k8s.io/decision": decision},
        }
    )


def told(tmp_path: Path, *entries: str) -> list[tuple[str, bool]]:
    log = tmp_path / "log"
    log.write_text("".join(f"{each}\n" for each in entries) + '{"verb": "ge')
    return [(str(each.right), each.allowed) for each in asked([log])]


def test_request_is_verb_resource_and_group(tmp_path: Path) -> None:
    lines = entry("delete", PODS), entry("update", JOB_STATUS, agent="kopf/1")
    assert told(tmp_path, *lines) == [
        ("delete pods", True),
        ("update stargatejobs/status of stargate.dev", True),
    ]


def test_apply_of_a_new_object_counts_as_create(tmp_path: Path) -> None:
    lines = entry("patch", PODS, code=201), entry("patch", PODS)
    verbs = [what for what, _ in told(tmp_path, *lines)]
    assert verbs == ["patch pods", "create pods", "patch pods"]


def test_forbidden_request_shows_need_but_no_use(tmp_path: Path) -> None:
    assert told(tmp_path, entry("get", PODS, decision="forbid")) == [("get pods", False)]


@pytest.mark.parametrize(
    "line",
    [
        entry("get", None),
        entry("get", PODS, user="system:admin"),
        entry("get", PODS, agent="kubectl/v1.36"),
    ],
    ids=["discovery", "another user", "another client"],
)
def test_requests_of_other_clients_are_not_counted(tmp_path: Path, line: str) -> None:
    assert told(tmp_path, line) == []


def test_a_rule_grants_each_verb_on_each_resource() -> None:
    rule = {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]}
    assert granted([{"rules": [rule]}]) == {
        Right("", resource, verb) for resource in ("pods", "services") for verb in ("get", "list")
    }
