"""A wait for old pods names the one that does not end."""

import pytest

from stargate_types.status import Phase
from tests.kit.builders import GivenPod, at, job, planned, pod

USUAL = "waiting until the pods of an earlier attempt are gone"


def leaving(rank: int, due: float) -> GivenPod:
    return pod(rank).running().but(deleting=True, deletion_at=at(due).timestamp())


def test_pods_within_their_grace_are_not_named() -> None:
    plan = planned(job().restarting(ended=-60), [leaving(0, due=5), leaving(1, due=-9.5)])
    assert (plan.message, plan.wake_at) == (USUAL, at(0.5))


def test_overdue_pod_is_named_with_node_and_remedy() -> None:
    plan = planned(job().restarting(ended=-60), [leaving(0, due=5), leaving(3, due=-10)])
    assert plan.message == (
        "pod train-1-3 (rank 3) on node-3 should have ended at 2026-03-01T11:59:50Z and has not."
        " Look at its kubelet and node. If you are sure that its processes are dead:"
        " kubectl delete pod train-1-3 -n team-a --grace-period=0 --force"
    )


def test_most_overdue_of_several_pods_is_named() -> None:
    pods = [leaving(0, due=-20), leaving(1, due=-30), leaving(2, due=-30)]
    message = planned(job().restarting(ended=-60), pods).message
    assert message.startswith("pod train-1-1 (rank 1) on node-1")
    assert "and has not, and 2 more pods." in message


@pytest.mark.parametrize("due", [-10, -11])
def test_suspended_job_names_overdue_pod_too(due: float) -> None:
    plan = planned(job().suspended(), [leaving(2, due=due)])
    assert plan.phase is Phase.SUSPENDED
    assert plan.message.startswith("pod train-1-2 (rank 2) on node-2 should have ended at")
