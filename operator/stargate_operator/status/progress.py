"""The progress of the training, as rank 0 reports it. Only the remaining time is an estimate."""

from stargate_operator.model.reports import Reports
from stargate_types.status import MAX_METRICS, AttemptStatus, Metric, Progress


def progress(
    standing: Progress | None, reports: Reports, *, epochs: int, attempt: AttemptStatus | None
) -> Progress | None:
    """The progress after these reports. A step counts even before the first epoch is completed."""
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
    """The progress of a new attempt, which trains again from `epoch`."""
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
