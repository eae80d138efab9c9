"""The end of a job: completion, deadline, time to live."""

import pytest

from stargate_operator.decide.effects import effects
from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase
from tests.kit.builders import GivenJob, at, gang, job, observed, planned, pod, starting_gang

DONE: list[Pod] = [pod(rank).succeeded() for rank in range(4)]


def test_a_job_succeeds_when_every_rank_has() -> None:
    plan = planned(job().running(), DONE)
    assert (plan.phase, plan.reason) == (Phase.SUCCEEDED, "AllRanksSucceeded")
    assert plan.ending is not None
    assert plan.ending.cause is Cause.SUCCEEDED


def test_a_job_does_not_succeed_with_unfinished_ranks() -> None:
    assert planned(job().running(), gang(4, *DONE[:3])).phase is Phase.RUNNING


def test_success_counts_without_an_observed_run() -> None:
    assert planned(job().starting(), DONE).phase is Phase.SUCCEEDED


def test_pods_of_earlier_attempts_complete_nothing() -> None:
    assert planned(job().restarting(), DONE).phase is not Phase.SUCCEEDED


@pytest.mark.parametrize(
    "given",
    [job().starting(), job().running(), job().restarting(), job().queued()],
    ids=["starting", "running", "restarting", "queued"],
)
def test_job_past_its_deadline_fails_in_every_phase(given: GivenJob) -> None:
    plan = planned(given.but(active_deadline_seconds=100), starting_gang(4))
    assert (plan.phase, plan.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert "spec.activeDeadlineSeconds (100 s)" in plan.message


def test_a_deadline_ahead_schedules_a_pass() -> None:
    given = job(active_deadline_seconds=101).running()
    plan = planned(given, gang(4))
    assert (plan.phase, plan.wake_at) == (Phase.RUNNING, at(1))


def test_the_earlier_of_two_times_wakes() -> None:
    given = job(active_deadline_seconds=101).running()
    assert planned(given, gang(4, pod(1).failed()), now=at(0.5)).wake_at == at(1)
    sooner = planned(given, gang(4, pod(1).failed()), failed_since=at(-0.5))
    assert sooner.wake_at == at(0.5)


def test_a_suspended_job_has_no_deadline() -> None:
    plan = planned(job(active_deadline_seconds=1).suspended())
    assert (plan.phase, plan.wake_at) == (Phase.SUSPENDED, None)


def test_success_comes_before_the_deadline() -> None:
    assert planned(job(active_deadline_seconds=1).running(), DONE).phase is Phase.SUCCEEDED


def test_refused_job_has_no_deadline_before_it_starts() -> None:
    assert planned(job(active_deadline_seconds=1)).phase is Phase.STARTING


@pytest.mark.parametrize("given", [job().succeeded(), job().failed()], ids=["succeeded", "failed"])
@pytest.mark.parametrize(
    "pods", [[], gang(4), DONE, starting_gang(4, pod(1).oom_killed())], ids=len
)
def test_a_finished_job_stays_as_it_is(given: GivenJob, pods: list[Pod]) -> None:
    plan = planned(given.but(suspend=True, active_deadline_seconds=1), pods)
    assert (plan.phase, plan.ending, plan.next_attempt) == (given.status.phase, None, False)
    assert effects(observed(given, pods)).create == ()


@pytest.mark.parametrize(
    ("ttl", "deleted", "wakes"),
    [(None, False, None), (0, True, None), (10, True, None), (11, False, 1)],
)
def test_a_finished_job_is_deleted_after_its_ttl(
    ttl: int | None, deleted: bool, wakes: float | None
) -> None:
    plan = planned(job(ttl_seconds_after_finished=ttl).succeeded())
    assert plan.delete_job is deleted
    assert plan.wake_at == (None if wakes is None else at(wakes))


def test_an_unfinished_job_has_no_time_to_live() -> None:
    assert not planned(job(ttl_seconds_after_finished=0).running(), gang(4)).delete_job
