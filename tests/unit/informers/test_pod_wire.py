"""A pod of the API server as the operator reads it: a rank ends when its worker's container ends."""

from typing import Any

import msgspec
import pytest

from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.model.pod import FAILED, PENDING, RUNNING, SUCCEEDED, Pod

AT = "2026-03-01T12:00:{:02d}Z"
RUNS = {"running": {"startedAt": AT.format(0)}}
EARLY, LATE = 10, 30
"""Seconds at which the worker ended, before and after it was told to stop at 20."""


def ended(code: int, at: int = EARLY) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "finishedAt": AT.format(at)}}


def read(worker: dict[str, Any], phase: str, *, others: Any = (), **more: Any) -> Pod:
    """`others` are the states of sidecars; `deleted` is when the pod was deleted, with ten seconds of
    grace, and `disrupted` when Kubernetes said that it would be."""
    meta: dict[str, Any] = {"name": "job-1-0", "namespace": "team-a", "uid": "u"}
    if "deleted" in more:
        meta |= {
            "deletionTimestamp": AT.format(more["deleted"] + 10),
            "deletionGracePeriodSeconds": 10,
        }
    conditions = []
    if "disrupted" in more:
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
        }
        conditions.append({**disruption, "lastTransitionTime": AT.format(more["disrupted"])})
    sidecars = [{"name": f"a-{n}", "state": state} for n, state in enumerate(others)]
    status = {
        "phase": phase,
        "reason": more.get("reason", ""),
        "conditions": conditions,
        "containerStatuses": [*sidecars, {"name": "worker", "state": worker}],
    }
    body = msgspec.json.encode({"metadata": meta, "status": status})
    return pod_of(msgspec.json.decode(body, type=WirePod))


@pytest.mark.parametrize(
    ("worker", "phase", "sidecar", "rank"),
    [
        (RUNS, "Running", RUNS, RUNNING),
        ({"waiting": {"reason": "PodInitializing"}}, "Pending", RUNS, PENDING),
        (ended(1), "Running", RUNS, FAILED),
        (ended(0), "Running", RUNS, SUCCEEDED),
        (ended(0), "Failed", ended(137), SUCCEEDED),
        (ended(1), "Failed", ended(0), FAILED),
        (RUNS, "Running", ended(1), RUNNING),
    ],
    ids=[
        "all run",
        "the worker waits",
        "the worker fails, the sidecar runs on",
        "the worker succeeds, the sidecar runs on",
        "the sidecar is killed after the worker has succeeded",
        "the sidecar ends after the worker has failed",
        "the sidecar fails alone",
    ],
)
def test_rank_ends_with_its_worker_s_container(
    worker: dict[str, Any], phase: str, sidecar: dict[str, Any], rank: str
) -> None:
    assert read(worker, phase, others=[sidecar]).phase == rank


def test_pod_holds_its_node_while_a_sidecar_runs() -> None:
    pod = read(ended(0), "Running", others=[RUNS])
    assert (pod.phase, pod.alive) == (SUCCEEDED, True)
    assert not read(ended(0), "Succeeded").alive


@pytest.mark.parametrize(
    "told", [{"deleted": 20}, {"disrupted": 20}], ids=lambda told: next(iter(told))
)
def test_exit_0_after_a_request_to_stop_is_no_success(told: dict[str, int]) -> None:
    assert read(ended(0, LATE), "Succeeded", **told).phase == FAILED
    assert read(ended(0, EARLY), "Succeeded", **told).phase == SUCCEEDED


def test_exit_0_in_the_second_of_the_request_is_no_success() -> None:
    assert read(ended(0, 20), "Succeeded", deleted=20).phase == FAILED


@pytest.mark.parametrize("reason", ["Evicted", "NodeShutdown", "Preempting", "Terminated"])
def test_exit_0_of_a_pod_that_its_node_ended_is_no_success(reason: str) -> None:
    assert read(ended(0), "Failed", reason=reason).phase == FAILED


@pytest.mark.parametrize(
    ("worker", "phase", "ran"),
    [
        (RUNS, "Running", True),
        (ended(0), "Succeeded", True),
        (ended(1), "Failed", True),
        ({"waiting": {"reason": "ErrImagePull"}}, "Pending", False),
        ({"waiting": {}}, "Failed", False),
    ],
)
def test_pod_has_run_once_its_worker_began(worker: dict[str, Any], phase: str, ran: bool) -> None:
    assert read(worker, phase).has_run is ran
