"""A suspended job holds no pods; a resumed one goes on from its last complete checkpoint."""

import pytest

from stargate_operator.decide.effects import effects
from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase
from tests.kit.builders import (
    NOW,
    GivenJob,
    at,
    checkpoint_report,
    described,
    gang,
    job,
    observed,
    planned,
    pod,
    starting_gang,
)

OLD = [pod(0).failed(), pod(1).running()]


@pytest.mark.parametrize(
    ("given", "pods", "ends"),
    [
        (job(), [], False),
        (job().starting(), starting_gang(4), True),
        (job().running(), gang(4), True),
        (job().restarting(), OLD, False),
        (job().queued(), [], False),
    ],
    ids=["before its start", "starting", "running", "restarting", "queued"],
)
def test_a_job_is_suspended_in_every_phase(given: GivenJob, pods: list[Pod], ends: bool) -> None:
    plan = planned(given.but(suspend=True), pods)
    assert plan.phase is Phase.SUSPENDED
    assert (plan.ending is not None, plan.next_attempt) == (ends, False)
    assert plan.reason == ("Suspending" if any(each.alive for each in pods) else "Suspended")


@pytest.mark.parametrize(
    ("given", "pods", "number"),
    [
        (job(), [], 1),
        (job().starting(), starting_gang(4), 2),
        (job().running(), gang(4), 2),
        (job().restarting(ended=-500), OLD, 2),
        (job().queued(ended=-5000), [], 2),
    ],
    ids=["before its start", "starting", "running", "restarting", "queued"],
)
def test_a_job_is_resumed_from_every_phase(given: GivenJob, pods: list[Pod], number: int) -> None:
    suspended = given.but(suspend=True)
    suspended = suspended.now(described(suspended, pods))
    resumed = suspended.resumed()
    resumed = resumed.now(described(resumed, now=at(5)))
    assert resumed.status.phase in (Phase.PENDING, Phase.RESTARTING)
    begun = described(resumed, now=at(6))
    assert (begun.phase, begun.attempt) == (Phase.STARTING, number)
    assert begun.attempts[-1].accelerator_class is not None


def test_suspension_is_no_failure() -> None:
    given = job(max_restarts=0).running().but(suspend=True)
    status = described(given, gang(4))
    assert (status.restarts, status.failures_since_checkpoint) == (0, 0)
    assert status.attempts[-1].cause is Cause.SUSPENDED


def test_failures_during_suspension_do_not_count() -> None:
    given = job(max_restarts=0).suspended()
    pods = [pod(rank).failed(143).deleted() for rank in range(4)]
    assert planned(given, pods, failed_since=at(-60)).phase is Phase.SUSPENDED


def test_a_save_during_suspension_counts() -> None:
    given = job().suspended().saved(5)
    status = described(given, gang(4), checkpoints=[checkpoint_report(7)])
    assert status.checkpoints is not None
    assert status.checkpoints.history[0].epoch == 7
    resumed = given.now(status).resumed()
    resumed = resumed.now(described(resumed))
    assert described(resumed).attempts[-1].restored_epoch == 7


def test_exit_0_does_not_complete_a_suspended_job() -> None:
    given = job().suspended()
    done = gang(4, *(pod(rank).succeeded() for rank in range(4)))
    assert planned(given, done).phase is Phase.SUSPENDED
    assert planned(given.resumed(), done).phase is Phase.RESTARTING


def test_success_comes_before_suspension() -> None:
    done = gang(4, *(pod(rank).succeeded() for rank in range(4)))
    assert planned(job().running().but(suspend=True), done).phase is Phase.SUCCEEDED


def test_suspended_is_true_when_all_pods_are_gone() -> None:
    given = job().running().but(suspend=True)
    going = given.now(described(given, gang(4)))
    gone = described(going)
    told = [
        (each.status, each.reason)
        for status in (going.status, gone)
        for each in status.conditions
        if each.type == "Suspended"
    ]
    assert told == [("False", "Suspending"), ("True", "Suspended")]


def test_resumed_job_waits_for_pods_that_still_save() -> None:
    given = job().suspended().resumed()
    saving = [pod(0).running().deleted()]
    given = given.now(described(given, saving))
    assert planned(given, saving).reason == "WaitingForOldGang"
    assert effects(observed(given, saving)).create == ()


def test_the_deadline_starts_again_at_the_resume() -> None:
    given = job(active_deadline_seconds=50).suspended(ended=-40).resumed()
    resumed = given.now(described(given))
    assert (resumed.status.phase, resumed.status.start_time) == (Phase.RESTARTING, NOW)
    assert planned(resumed).wake_at == at(50)
