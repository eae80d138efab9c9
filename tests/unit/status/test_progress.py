"""The progress of the training."""

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from stargate_operator.model.reports import ProgressReport
from stargate_types.status import Progress
from tests.kit.builders import NOW, checkpoint_report, described, gang, job, pod, progress_report


def progress(
    report: ProgressReport,
    *,
    epoch_seconds: float | None = None,
    step_seconds: float | None = None,
    epochs: int = 100,
    steps: int | None = None,
) -> Progress:
    found = described(
        job(epochs=epochs, steps=steps).running(),
        gang(4),
        progress=report,
        epoch_seconds=epoch_seconds,
        step_seconds=step_seconds,
    ).progress
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("epoch", "epochs", "percent"),
    [
        (0, 100, 0),
        (1, 3, 33.33),
        (42, 100, 42),
        (2, 3, 66.67),
        (999_999, 1_000_000, 99.99),
        (100, 100, 100),
        (101, 100, 100),
    ],
)
def test_percent_is_of_epochs_completed(epoch: int, epochs: int, percent: float) -> None:
    assert progress(progress_report(epoch), epochs=epochs).percent == percent


@pytest.mark.parametrize(("pace", "remaining"), [(None, None), (10.0, 580), (0.25, 14), (0.0, 0)])
def test_the_remaining_time_follows_from_the_epoch_rate(
    pace: float | None, remaining: int | None
) -> None:
    found = progress(progress_report(42), epoch_seconds=pace)
    assert found.estimated_remaining_seconds == remaining


@pytest.mark.parametrize(
    ("epoch", "step", "told", "spec", "percent", "total"),
    [
        (0, 250, None, 1000, 25, 1000),
        (0, 250, 500, 1000, 25, 1000),
        (0, 250, 1000, None, 25, 1000),
        (0, 250, None, None, 0, None),
        (0, None, None, 1000, 0, 1000),
        (0, None, 1000, None, 0, 1000),
        (0, 0, None, 1000, 0, 1000),
        (0, 1, None, 3, 33.33, 3),
        (0, 999_999, None, 1_000_000, 99.99, 1_000_000),
        (0, 1000, None, 1000, 100, 1000),
        (1, 1000, 1000, None, 100, 1000),
        (1, 990, 1000, None, 99, 1000),
        (0, 1000, 1000, None, 99.99, 1000),
        (0, 1500, 1000, None, 0, None),
        (1, 1500, 1000, None, 100, None),
    ],
    ids=[
        "of the spec",
        "of the spec, whatever the trainer says",
        "of the trainer",
        "of nobody: by epochs",
        "no step, of the spec: by epochs",
        "no step, of the trainer: by epochs",
        "the beginning",
        "a third",
        "almost",
        "the end by the spec",
        "the end by epochs and trainer",
        "the epochs are done, the steps are not",
        "an end that the epochs deny",
        "a total that was wrong: by epochs",
        "a total that was wrong, and the end by epochs",
    ],
)
def test_percent_is_of_steps_where_their_total_is_known(
    epoch: int,
    step: int | None,
    told: int | None,
    spec: int | None,
    percent: float,
    total: int | None,
) -> None:
    found = progress(progress_report(epoch, step=step, total_steps=told), epochs=1, steps=spec)
    assert (found.percent, found.total_steps, found.step) == (percent, total, step)


@settings(deadline=None)
@for_any(
    epoch=st.integers(0, 20),
    step=st.none() | st.integers(0, 50),
    told=st.none() | st.integers(1, 40),
    spec=st.none() | st.integers(1, 40),
)
def test_percent_stays_within_its_bounds(
    epoch: int,
    step: int | None,
    told: int | None,
    spec: int | None,
) -> None:
    report = progress_report(epoch, step=step, total_steps=told)
    found = progress(report, epochs=10, steps=spec, epoch_seconds=9, step_seconds=9)
    at_its_end = epoch >= 10 or (spec is not None and step is not None and step >= spec)
    assert 0 <= found.percent <= 100
    assert at_its_end or found.percent < 100
    assert at_its_end or found.estimated_remaining_seconds != 0


@pytest.mark.parametrize(
    ("total", "step_seconds", "epoch_seconds", "remaining", "speed"),
    [
        (1000, 0.5, None, 375, 2.0),
        (1000, 0.5, 900.0, 375, 2.0),
        (1000, None, 900.0, None, None),
        (None, 0.5, 900.0, 900, 2.0),
        (None, 0.5, None, None, 2.0),
        (1000, 60.0, None, 45_000, 0.01667),
        (1000, 0.0, None, 0, None),
        (250, 0.5, None, None, 2.0),
    ],
    ids=[
        "by steps",
        "by steps, though epochs are known too",
        "speed unknown",
        "by epochs",
        "nothing known",
        "slow steps",
        "no time passed",
        "an end that the epochs deny",
    ],
)
def test_remaining_time_follows_from_the_step_rate(
    total: int | None,
    step_seconds: float | None,
    epoch_seconds: float | None,
    remaining: int | None,
    speed: float | None,
) -> None:
    report = progress_report(0, step=250, total_steps=total)
    found = progress(report, epochs=1, step_seconds=step_seconds, epoch_seconds=epoch_seconds)
    assert found.estimated_remaining_seconds == remaining
    assert found.steps_per_second == speed


def test_total_steps_stay_when_the_leader_changes() -> None:
    stands = Progress(epoch=0, epochs=1, step=10, total_steps=1000, percent=1)
    given = job(epochs=1).running().having(progress=stands)
    found = described(given, gang(4), progress=progress_report(None, step=20)).progress
    assert found is not None
    assert (found.step, found.total_steps, found.percent) == (20, 1000, 2)


def test_past_the_last_epoch_nothing_remains() -> None:
    found = progress(progress_report(120), epoch_seconds=10)
    assert found.estimated_remaining_seconds == 0


def test_progress_has_metrics_and_report_time() -> None:
    found = progress(progress_report(42, step=7, loss=0.5, lr=0.001))
    assert [(each.name, each.value) for each in found.metrics] == [("loss", 0.5), ("lr", 0.001)]
    assert (found.step, found.last_report_time) == (7, NOW)


def test_steps_count_before_the_first_epoch_is_completed() -> None:
    found = progress(progress_report(None, step=7))
    assert (found.epoch, found.percent, found.step) == (0, 0, 7)


def test_steps_count_at_once_in_a_later_attempt() -> None:
    given = job().running(2).having(progress=Progress(epoch=40, epochs=100, percent=40))
    report = progress_report(None, step=7, attempt=2)
    found = described(given, gang(4, attempt=2), progress=report).progress
    assert found is not None
    assert (found.epoch, found.step) == (40, 7)


def test_without_a_report_the_progress_stays() -> None:
    stands = Progress(epoch=40, epochs=100, percent=40)
    assert described(job().running().having(progress=stands), gang(4)).progress == stands
    assert described(job().running(), gang(4)).progress is None


def test_a_report_of_an_earlier_attempt_is_ignored() -> None:
    stands = Progress(epoch=40, epochs=100, percent=40)
    given = job().running(2).having(progress=stands)
    status = described(given, gang(4, attempt=2), progress=progress_report(43, attempt=1))
    assert status.progress == stands


def test_a_new_attempt_starts_at_its_resume_point() -> None:
    given = job().running().saved(40)
    report = progress_report(42, step=9, loss=0.5)
    dead = gang(4, pod(1).oom_killed())
    given = given.now(described(given, dead, progress=report, epoch_seconds=3))
    assert given.status.progress is not None
    assert given.status.progress.epoch == 42
    found = described(given, [pod(1).oom_killed()]).progress
    assert found is not None
    assert (found.epoch, found.percent, found.step) == (40, 40.0, None)
    assert found.steps_per_second is None
    assert (found.estimated_remaining_seconds, found.metrics) == (None, [])


def test_a_new_attempt_starts_at_its_resume_step() -> None:
    given = job(epochs=1, steps=1000).running()
    report, saves = progress_report(0, step=900), [checkpoint_report(0, step=800)]
    dead = gang(4, pod(1).oom_killed())
    given = given.now(described(given, dead, progress=report, checkpoints=saves, step_seconds=3))
    found = described(given, [pod(1).oom_killed()]).progress
    assert found is not None
    assert (found.epoch, found.step, found.percent) == (0, 800, 80)
    assert (found.total_steps, found.steps_per_second) == (1000, None)


def test_report_without_step_keeps_the_resume_step() -> None:
    stands = Progress(epoch=0, epochs=1, step=800, total_steps=1000, percent=80)
    given = job(epochs=1, steps=1000).running(2).having(progress=stands)
    report = progress_report(None, attempt=2, loss=0.5)
    found = described(given, gang(4, attempt=2), progress=report).progress
    assert found is not None
    assert (found.step, found.percent, len(found.metrics)) == (800, 80, 1)
