"""All or nothing: a gang that got only some of its nodes gives them back."""

import pytest

from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase
from tests.kit.builders import at, described, gang, job, planned, pod, starting_gang


def half(last: float = -5, attempt: int = 1) -> list[Pod]:
    """Ranks 0 and 1 have a node, 2 and 3 fit nowhere."""
    zero, one, two, three = (pod(rank, attempt=attempt) for rank in range(4))
    got = [zero.scheduled(-90), one.scheduled(last)]
    return starting_gang(4, *got, two.unschedulable(), three.unschedulable())


def test_the_younger_half_scheduled_gang_yields_at_once() -> None:
    plan = planned(job().starting(), half(), older="team-b/older")
    assert (plan.phase, plan.reason, plan.next_attempt) == (Phase.QUEUED, "Yielded", True)
    assert plan.ending is not None
    assert plan.ending.cause is Cause.YIELDED
    assert plan.message == "gave back 2 of 4 nodes to the older job team-b/older"


def test_the_older_keeps_its_nodes() -> None:
    assert planned(job().starting(), half()).ending is None


def test_no_gang_yields_under_native_gangs() -> None:
    assert planned(job().starting(), half(), older="x/y", native_gangs=True).ending is None


@pytest.mark.parametrize(
    "pods", [starting_gang(4), gang(4)], ids=["without any node", "with all nodes"]
)
def test_a_gang_not_partly_scheduled_yields_nothing(pods: list[Pod]) -> None:
    assert planned(job().starting(), pods, older="team-b/older").ending is None


def test_the_start_timeout_counts_from_the_last_node() -> None:
    early = planned(job(start_timeout=60).starting(), half(last=-59))
    assert (early.ending, early.wake_at) == (None, at(1))
    plan = planned(job(start_timeout=60).starting(), half(last=-60))
    assert plan.ending is not None
    assert (plan.phase, plan.ending.cause) == (Phase.QUEUED, Cause.START_TIMEOUT)


def test_nodes_given_back_mean_new_attempt_without_failure() -> None:
    given = job(start_timeout=60, max_restarts=0).starting()
    status = described(given, half(last=-60))
    assert (status.attempt, status.restarts, status.failures_since_checkpoint) == (2, 0, 0)
    assert (status.attempts[0].cause, status.attempts[1].accelerator_class) == (
        Cause.START_TIMEOUT,
        None,
    )


def test_gang_that_has_run_has_no_start_timeout() -> None:
    pods = gang(4, pod(1).running().but(node=""))
    assert planned(job(start_timeout=1).running(), pods).phase is Phase.RUNNING


def test_native_gangs_keep_the_start_timeout() -> None:
    plan = planned(job(start_timeout=60).starting(), half(last=-61), native_gangs=True)
    assert plan.ending is not None


def test_two_gangs_under_scheduling_do_not_yield() -> None:
    """Many gangs start at once, all are partly scheduled for a moment, and there is room for all."""
    pods = starting_gang(4, pod(0).scheduled(), pod(1).scheduled())

    plan = planned(job().starting(), pods, older="team-b/older", older_is_short=False)

    assert plan.ending is None


def test_a_late_gang_yields_to_a_whole_one() -> None:
    plan = planned(job().starting(), half(), whole="team-b/whole")
    assert plan.ending is not None
    assert (plan.phase, plan.ending.cause) == (Phase.QUEUED, Cause.YIELDED)
    assert (
        plan.message == "gave back 2 of 4 nodes to the job team-b/whole, which has all of its own"
    )


def test_a_gang_being_scheduled_keeps_its_nodes() -> None:
    pods = starting_gang(4, pod(0).scheduled(), pod(1).scheduled())
    assert planned(job().starting(), pods, whole="team-b/whole").ending is None


def test_gang_that_has_run_waits_for_its_node() -> None:
    given = job().starting(2)
    first, second = given.status.attempts
    ran = given.having(attempts=[first.model_copy(update={"running": at(-150)}), second])
    assert planned(ran, half(attempt=2), whole="team-b/whole").ending is None
    assert planned(given, half(attempt=2), whole="team-b/whole").ending is not None
