"""A failed rank ends the attempt; the whole gang starts again from its last checkpoint."""

import pytest

from stargate_operator.decide.plan import Plan
from stargate_operator.model.pod import FAILED
from stargate_types.position import Position
from stargate_types.status import Cause, Checkpoints, Phase, Workers
from tests.kit.builders import (
    NOW,
    GivenPod,
    at,
    checkpoint,
    checkpoint_report,
    described,
    gang,
    job,
    planned,
    pod,
    starting_gang,
    without,
)


def ending(plan: Plan) -> tuple[Cause, int | None]:
    assert plan.ending is not None
    return plan.ending.cause, plan.ending.rank


def test_an_oom_killed_rank_restarts_from_the_checkpoint() -> None:
    given = job(nodes=4).running().saved(5)
    plan = planned(given, gang(4, pod(2).oom_killed()))
    assert (plan.phase, plan.reason, plan.next_attempt) == (Phase.RESTARTING, "OOMKilled", True)
    assert ending(plan) == (Cause.OOM_KILLED, 2)

    after = given.now(described(given, gang(4, pod(2).oom_killed())))
    assert (after.status.attempt, after.status.restarts) == (2, 1)
    begun = described(after, [pod(2).oom_killed()])
    assert begun.checkpoints is not None
    assert begun.checkpoints.restored_from is not None
    assert (begun.phase, begun.checkpoints.restored_from.epoch) == (Phase.STARTING, 5)


def test_the_ending_names_rank_node_and_exit_code() -> None:
    plan = planned(job().running(), gang(4, pod(2).oom_killed(finished=-2)))
    assert plan.ending is not None
    assert (plan.ending.node, plan.ending.exit_code) == ("node-2", 137)
    assert plan.ending.at == at(-2)
    assert plan.ending.message == "rank 2 on node-2 ran out of memory and was killed (exit 137)"


@pytest.mark.parametrize(
    "culprit",
    [
        pod(1).oom_killed(),
        pod(1).evicted(),
        pod(1).preempted(),
        pod(1).lost(),
        pod(1).rejected(),
        pod(1).failed().deleted(),
    ],
    ids=["oom", "evicted", "preempted", "lost", "rejected", "deleted"],
)
def test_certain_causes_end_the_attempt_at_once(culprit: GivenPod) -> None:
    assert planned(job().running(), gang(4, culprit)).next_attempt


@pytest.mark.parametrize("culprit", [pod(1).failed(1), pod(1).killed(11)], ids=["exit", "signal"])
@pytest.mark.parametrize(
    ("first_seen", "acts"), [(None, False), (0, False), (-0.999, False), (-1, True), (-60, True)]
)
def test_an_uncertain_exit_waits_a_second(
    culprit: GivenPod, first_seen: float | None, acts: bool
) -> None:
    since = None if first_seen is None else at(first_seen)
    plan = planned(job().running(), gang(4, culprit), failed_since=since)
    assert plan.next_attempt is acts
    if not acts:
        assert plan.ending is None
        assert plan.wake_at == at((first_seen or 0) + 1)


def test_failure_beside_missed_pods_does_not_settle() -> None:
    """A status written meanwhile would count the pods that are left, and one be made again."""
    counted = Workers(desired=4, created=4)
    given = job().starting().having(workers=counted)
    plan = planned(given, without(starting_gang(4, pod(1).failed()), 2))
    assert plan.next_attempt


def test_a_settling_failure_is_not_shown_as_running() -> None:
    assert planned(job().running(), gang(4, pod(1).failed())).phase is Phase.RESTARTING
    starting = planned(job().starting(), starting_gang(4, pod(1).failed()))
    assert (starting.phase, starting.reason) == (Phase.STARTING, "GangFailed")


def test_certain_cause_ends_the_wait_of_others() -> None:
    pods = gang(4, pod(1).failed(finished=-1), pod(3).oom_killed())
    assert planned(job().running(), pods).next_attempt


@pytest.mark.parametrize(
    ("before", "after", "failures"),
    [
        ((0, 1000), (0, 2000), 1),
        ((0, 1000), (1, None), 1),
        ((5, None), (5, 10), 1),
        ((5, None), (6, None), 1),
        (None, (0, 0), 1),
        ((0, 1000), (0, 1000), 4),
        ((0, 2000), (0, 1000), 4),
        ((5, 10), (5, None), 4),
        ((5, None), (5, None), 4),
        ((5, 10), (4, 99), 4),
    ],
)
def test_only_a_newer_position_refills_the_budget(
    before: tuple[int, int | None] | None, after: tuple[int, int | None], failures: int
) -> None:
    """Three failures stand; a fourth comes with a checkpoint."""
    given = job(epochs=10, max_restarts=3).running(4).unforgiven(3)
    if before:
        old = checkpoint(before[0], step=before[1], attempt=3)
        given = given.having(checkpoints=Checkpoints(latest=old, history=[old]))
    new = checkpoint_report(after[0], step=after[1], attempt=4)
    dead = gang(4, pod(2, attempt=4).oom_killed(), attempt=4)
    status = described(given, dead, checkpoints=[new])
    assert status.failures_since_checkpoint == failures
    assert status.phase is (Phase.FAILED if failures > 3 else Phase.RESTARTING)


def test_next_attempt_resumes_from_the_newest_step() -> None:
    given = job(epochs=1).running()
    saves = [checkpoint_report(0, step=step, seconds=-step) for step in (1000, 2000)]
    ended = given.now(described(given, gang(4, pod(2).oom_killed()), checkpoints=saves))
    begun = described(ended)
    assert begun.checkpoints is not None
    assert begun.checkpoints.restored_from is not None
    assert begun.checkpoints.restored_from.position == Position(0, 2000)
    assert begun.attempts[-1].restored_position == Position(0, 2000)


def test_without_checkpoint_the_next_attempt_starts_fresh() -> None:
    given = job().running()
    after = given.now(described(given, gang(4, pod(2).oom_killed())))
    begun = described(after)
    assert begun.attempts[-1].restored_epoch is None
    assert begun.checkpoints is not None
    assert begun.checkpoints.restored_from is None


def test_missing_rank_of_running_gang_was_deleted() -> None:
    plan = planned(job().running(), without(gang(4), 2))
    assert ending(plan) == (Cause.DELETED, 2)
    assert plan.next_attempt


def test_rank_missing_while_gang_starts_is_not_failed() -> None:
    plan = planned(job().starting(), without(starting_gang(4), 2))
    assert (plan.phase, plan.ending) == (Phase.STARTING, None)


def test_pod_deleted_before_its_worker_began_is_no_failure() -> None:
    dying = pod(2).scheduled().but(phase=FAILED, deleting=True)
    plan = planned(job().starting(), starting_gang(4, dying))
    assert (plan.phase, plan.ending) == (Phase.STARTING, None)


def test_worker_deleted_while_the_gang_starts_ends_attempt() -> None:
    """Its rank is not made again in the same attempt: the worker may run on behind a cut network."""
    plan = planned(job().starting(), starting_gang(4, pod(2).failed(143).deleted()))
    assert plan.next_attempt
    assert plan.ending
    assert (plan.ending.cause, plan.ending.rank) == (Cause.DELETED, 2)


def test_rank_failing_while_gang_starts_ends_attempt() -> None:
    assert planned(job().starting(), starting_gang(4, pod(1).oom_killed())).next_attempt


def test_rank_in_its_grace_is_not_failed_yet() -> None:
    plan = planned(job().running(), gang(4, pod(1).running().deleted()))
    assert (plan.phase, plan.ending) == (Phase.RUNNING, None)


@pytest.mark.parametrize(
    ("allowed", "before", "phase"),
    [
        (0, 0, Phase.FAILED),
        (1, 0, Phase.RESTARTING),
        (10, 9, Phase.RESTARTING),
        (10, 10, Phase.FAILED),
    ],
)
def test_max_restarts_bounds_consecutive_failures(allowed: int, before: int, phase: Phase) -> None:
    given = job(max_restarts=allowed).running().unforgiven(before)
    assert planned(given, gang(4, pod(1).oom_killed())).phase is phase


def test_the_failed_condition_says_how_often_and_why() -> None:
    plan = planned(job(max_restarts=0).running(), gang(4, pod(1).oom_killed()))
    assert plan.reason == "MaxRestartsExceeded"
    assert "maxRestarts allows 0; OOMKilled: rank 1 on node-1" in plan.message
    assert not plan.next_attempt


@pytest.mark.parametrize(
    "culprit",
    [pod(1).evicted(), pod(1).preempted(), pod(1).lost(), pod(1).failed().deleted()],
    ids=["evicted", "preempted", "lost", "deleted"],
)
def test_infrastructure_failures_do_not_count(culprit: GivenPod) -> None:
    given = job(max_restarts=0).running()
    plan = planned(given, gang(4, culprit))
    assert plan.phase is Phase.RESTARTING
    status = described(given, gang(4, culprit))
    assert (status.failures_since_checkpoint, status.restarts) == (0, 1)


def test_a_counted_failure_counts_once() -> None:
    given = job().running().unforgiven(2)
    assert described(given, gang(4, pod(1).oom_killed())).failures_since_checkpoint == 3


def test_a_newer_checkpoint_resets_the_failures() -> None:
    given = job().running().saved(5).unforgiven(3)
    status = described(given, gang(4), checkpoints=[checkpoint_report(10)])
    assert status.failures_since_checkpoint == 0


@pytest.mark.parametrize("epoch", [0, 5])
def test_the_same_checkpoint_resets_nothing(epoch: int) -> None:
    given = job().running().saved(epoch).unforgiven(3)
    assert described(given, gang(4)).failures_since_checkpoint == 3
    again = described(given, gang(4), checkpoints=[checkpoint_report(epoch)])
    assert again.failures_since_checkpoint == 3


def test_a_checkpoint_of_the_same_moment_prevents_failure() -> None:
    given = job(max_restarts=3).running().saved(5).unforgiven(3)
    pods = gang(4, pod(1).oom_killed())
    assert planned(given, pods).phase is Phase.FAILED
    assert planned(given, pods, checkpoints=[checkpoint_report(10)]).phase is Phase.RESTARTING
    status = described(given, pods, checkpoints=[checkpoint_report(10)])
    assert status.failures_since_checkpoint == 1


def test_an_unresolved_attempt_cannot_fail() -> None:
    left_over = [pod(2).oom_killed()]
    plan = planned(job().restarting(ended=-1), left_over)
    assert (plan.ending, plan.phase) == (None, Phase.STARTING)


def test_a_finish_time_in_the_future_becomes_now() -> None:
    plan = planned(job().running(), gang(4, pod(1).oom_killed(finished=30)))
    assert plan.ending is not None
    assert plan.ending.at == NOW
