"""The progress of the training, as rank 0 reports it. Only the remaining time is an estimate.

See docs/decisions/0049-position-is-epoch-and-step.md.
"""

from dataclasses import dataclass

from stargate_operator.decide.observed import Observed
from stargate_operator.model.reports import ProgressReport
from stargate_types import StargateJob
from stargate_types.position import Position
from stargate_types.status import MAX_METRICS, Metric, Progress

_ALMOST = 99.99
"""The highest percentage of a training that is not at its end."""


@dataclass(frozen=True)
class _Measure:
    """How much of the training is done, in steps or in epochs.

    `seconds` is the time for one of them. `trusted` says that the training ends at `total`: the job
    states it. A total that the trainer states is its estimate.
    """

    done: int
    total: int
    seconds: float | None = None
    trusted: bool = True

    @property
    def complete(self) -> bool:
        return self.done >= self.total

    @property
    def percent(self) -> float:
        if self.complete:
            return 100.0 if self.trusted else _ALMOST
        return min(round(100.0 * self.done / self.total, 2), _ALMOST)

    @property
    def remaining(self) -> int | None:
        if self.seconds is None or (self.complete and not self.trusted):
            return None
        return round(self.seconds * max(0, self.total - self.done))


def progress(observed: Observed) -> Progress | None:
    """The progress after this attempt's reports. A step counts even before the first epoch is
    completed."""
    job, report = observed.job, observed.told
    if report is None:
        return job.status.progress
    position, reports = observed.position, observed.reports
    total = _total_steps(job, report, position)
    measure = _measure(
        job, position, total, epoch_seconds=reports.epoch_seconds, step_seconds=reports.step_seconds
    )
    return Progress(
        epoch=position.epoch,
        epochs=job.spec.epochs,
        step=position.step,
        total_steps=total,
        percent=measure.percent,
        steps_per_second=_per_second(reports.step_seconds),
        estimated_remaining_seconds=measure.remaining,
        metrics=[Metric(name=name, value=value) for name, value in report.metrics[:MAX_METRICS]],
        last_report_time=report.at,
    )


def back_to(job: StargateJob, standing: Progress | None, position: Position) -> Progress | None:
    """The progress of a new attempt, which trains again from `position`."""
    if standing is None:
        return None
    return standing.model_copy(
        update={
            "epoch": position.epoch,
            "step": position.step,
            "percent": _measure(job, position, standing.total_steps).percent,
            "steps_per_second": None,
            "estimated_remaining_seconds": None,
            "metrics": [],
        }
    )


def _total_steps(job: StargateJob, report: ProgressReport, position: Position) -> int | None:
    """The job's own number of steps, else the trainer's estimate, unless that is proved wrong."""
    if job.spec.steps is not None:
        return job.spec.steps
    standing = job.status.progress
    told = report.total_steps or (standing.total_steps if standing else None)
    return None if told is not None and (position.step or 0) > told else told


def _measure(
    job: StargateJob,
    position: Position,
    total_steps: int | None,
    *,
    epoch_seconds: float | None = None,
    step_seconds: float | None = None,
) -> _Measure:
    epochs = job.spec.epochs
    if total_steps is None or position.step is None:
        return _Measure(position.epoch, epochs, epoch_seconds)
    trusted = job.spec.steps is not None or position.epoch >= epochs
    return _Measure(position.step, total_steps, step_seconds, trusted)


def _per_second(step_seconds: float | None) -> float | None:
    """Four digits: more would be noise."""
    return float(f"{1 / step_seconds:.4g}") if step_seconds else None
