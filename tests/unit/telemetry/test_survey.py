"""The survey of all jobs: their counts, and the worst values for the alerts."""

from collections.abc import Callable

import pytest

from stargate_operator.model.reports import Reports
from stargate_operator.telemetry.survey import Survey, survey
from stargate_types import StargateJob
from stargate_types.status import Checkpoints, Condition, Phase
from tests.kit.builders import NOW, GivenJob, at, checkpoint, heartbeats, job


def of(*jobs: StargateJob, reports: Reports | None = None) -> Survey:
    reports_of: Callable[[str], Reports] = lambda _: reports or Reports()  # noqa: E731
    return survey(jobs, reports_of, NOW)


def unready(since: float, found: GivenJob) -> GivenJob:
    ready = Condition(type="Ready", status="False", reason="X", last_transition_time=at(since))
    return found.having(conditions=[ready])


def test_jobs_and_their_ranks_are_counted_by_phase() -> None:
    found = of(job(nodes=4).running(), job(nodes=2).running(), job(nodes=8).queued(), job())
    assert found.jobs == {Phase.RUNNING: 2, Phase.QUEUED: 1}
    assert found.ranks == {Phase.RUNNING: 6, Phase.QUEUED: 8}


def test_longest_wait_counts_over_all_attempts() -> None:
    found = of(
        unready(-900, job().starting().having(start_time=at(-5000))),
        unready(-40, job().starting(3)),
    )
    assert found.waits == {Phase.STARTING: 900}


def test_suspended_time_is_no_wait() -> None:
    resumed = unready(-86_400, job().starting(2).having(start_time=at(-30)))
    assert of(resumed).waits == {Phase.STARTING: 30}


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.SUSPENDED, Phase.FAILED])
def test_running_suspended_and_ended_jobs_do_not_wait(phase: Phase) -> None:
    found = unready(-900, job().running().having(phase=phase))
    assert of(found).waits == {}


def test_unsaved_seconds_count_from_the_last_checkpoint() -> None:
    saved = job().running(since=-500).saved(5)
    assert of(saved).unsaved_seconds == 50
    assert of(saved, job().running(since=-500)).unsaved_seconds == 500


def test_checkpoint_of_an_older_attempt_does_not_count() -> None:
    again = job().running(2, since=-500).saved(5, attempt=1)
    assert of(again).unsaved_seconds == 500


@pytest.mark.parametrize("state", ["Writing", "Damaged"])
def test_incomplete_checkpoint_does_not_count(state: str) -> None:
    entry = checkpoint(5).model_copy(update={"state": state})
    found = job().running(since=-500).having(checkpoints=Checkpoints(latest=entry, history=[entry]))
    assert of(found).unsaved_seconds == 500


def test_unsaved_intervals_use_the_job_s_own_speed() -> None:
    found = of(job().running(since=-500).saved(5), reports=Reports(epoch_seconds=2.0))
    assert found.unsaved_intervals == 5
    assert of(job().running(since=-500)).unsaved_intervals == 0


def test_silence_counts_after_the_first_report() -> None:
    spoken = Reports(heartbeats=heartbeats((0, -70), (3, -12)))
    assert of(job().running(), reports=spoken).silence == 12
    assert of(job().running()).silence == 0


def test_failures_count_until_the_job_ends() -> None:
    failed = job().failed().unforgiven(10)
    assert of(job().running().unforgiven(3), job().restarting().unforgiven(4), failed).failures == 4
