"""The progress of the training."""

import pytest

from stargate_operator.model.reports import ProgressReport
from stargate_types.status import Progress
from tests.kit.builders import NOW, described, gang, job, pod, progress_report


def progress(
    report: ProgressReport, *, epoch_seconds: float | None = None, epochs: int = 100
) -> Progress:
    given = job(epochs=epochs).running()
    found = described(given, gang(4), progress=report, epoch_seconds=epoch_seconds).progress
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("epoch", "epochs", "percent"),
    [(0, 100, 0), (1, 3, 33.33), (42, 100, 42), (2, 3, 66.67), (100, 100, 100), (101, 100, 100)],
)
def test_percent_is_of_epochs_completed(epoch: int, epochs: int, percent: float) -> None:
    assert progress(progress_report(epoch), epochs=epochs).percent == percent


@pytest.mark.parametrize(("pace", "remaining"), [(None, None), (10.0, 580), (0.25, 14), (0.0, 0)])
def test_the_remaining_time_follows_from_the_epoch_rate(
    pace: float | None, remaining: int | None
) -> None:
    found = progress(progress_report(42), epoch_seconds=pace)
    assert found.estimated_remaining_seconds == remaining


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
    assert (found.estimated_remaining_seconds, found.metrics) == (None, [])
