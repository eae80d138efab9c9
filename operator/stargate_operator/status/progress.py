"""How far the training is, as rank 0 said: nothing is extrapolated but the remaining time."""

from stargate_operator.model.reports import Reports
from stargate_types.status import MAX_METRICS, AttemptStatus, Metric, Progress


def progress(
    standing: Progress | None, reports: Reports, *, epochs: int, attempt: AttemptStatus | None
) -> Progress | None:
    """Steps count from the first on, also before an epoch of this attempt is completed."""
    report = reports.progress
    if report is None or attempt is None or report.attempt != attempt.number:
        return standing
    epoch = report.epoch
    if epoch is None:
        epoch = standing.epoch if standing else attempt.restored_epoch or 0
    return Progress(
        epoch=epoch,
        epochs=epochs,
        step=report.step,
        percent=percent(epoch, epochs),
        estimated_remaining_seconds=_remaining(reports.epoch_seconds, epochs - epoch),
        metrics=[Metric(name=name, value=value) for name, value in report.metrics[:MAX_METRICS]],
        last_report_time=report.at,
    )


def back_to(standing: Progress | None, epoch: int) -> Progress | None:
    """A new attempt trains again from `epoch`: what came after it does not count any more."""
    if standing is None:
        return None
    return standing.model_copy(
        update={
            "epoch": epoch,
            "step": None,
            "percent": percent(epoch, standing.epochs),
            "estimated_remaining_seconds": None,
            "metrics": [],
        }
    )


def percent(epoch: int, epochs: int) -> float:
    return round(min(100.0, 100.0 * epoch / epochs), 2)


def _remaining(epoch_seconds: float | None, epochs_left: int) -> int | None:
    return None if epoch_seconds is None else round(epoch_seconds * max(0, epochs_left))
