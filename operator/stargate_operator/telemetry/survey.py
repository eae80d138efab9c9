"""Summarizes all jobs at one moment, for the gauges.

It counts jobs and keeps the worst value of each duration, so the number of values does not grow with the
number of jobs. It looks at jobs alone, never at their pods, and reads no clock.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from stargate_operator.constants import Conditions
from stargate_operator.model import checkpoints
from stargate_operator.model.reports import Reports
from stargate_types import StargateJob
from stargate_types.status import AttemptStatus, Phase, StargateJobStatus

WAITING: Final = (Phase.PENDING, Phase.QUEUED, Phase.STARTING, Phase.RESTARTING)
"""Phases of a job that should run and does not."""


@dataclass
class Survey:
    """The counts of all jobs, and the worst values.

    `waits`: the longest time that a job in the phase has been without a running gang. `unsaved…`: the
    longest time that a running job has trained since its last complete checkpoint. `silence`: the
    longest time since a running job's last report. `failures`: the most failures since a checkpoint.
    Times are in seconds, and in checkpoint intervals for `unsaved_intervals`.
    """

    jobs: Counter[Phase] = field(default_factory=Counter)
    ranks: Counter[Phase] = field(default_factory=Counter)
    waits: dict[Phase, float] = field(default_factory=dict)
    unsaved_seconds: float = 0.0
    unsaved_intervals: float = 0.0
    silence: float = 0.0
    failures: int = 0


def survey(
    jobs: Iterable[StargateJob], reports_of: Callable[[str], Reports], now: datetime
) -> Survey:
    found = Survey()
    for job in jobs:
        phase = job.status.phase
        if phase is None:
            continue
        found.jobs[phase] += 1
        found.ranks[phase] += job.current_world_size
        if not phase.finished:
            found.failures = max(found.failures, job.status.failures_since_checkpoint)
        if phase in WAITING:
            found.waits[phase] = max(found.waits.get(phase, 0.0), _waits(job.status, now))
        elif phase is Phase.RUNNING:
            _look_at_training(found, job, reports_of(job.uid), now)
    return found


def _waits(status: StargateJobStatus, now: datetime) -> float:
    """Seconds since the job was last ready, over any number of attempts, without suspended time."""
    unready = [c.last_transition_time for c in status.conditions if c.type == Conditions.READY]
    resumed = [status.start_time] if status.start_time else []
    since = max([*unready, *resumed], default=now)
    return _seconds(since, now)


def _look_at_training(found: Survey, job: StargateJob, reports: Reports, now: datetime) -> None:
    unsaved = _seconds(_saved_or_ran(job.status, now), now)
    found.unsaved_seconds = max(found.unsaved_seconds, unsaved)
    if reports.epoch_seconds:
        interval = job.spec.checkpoint_interval_epochs * reports.epoch_seconds
        found.unsaved_intervals = max(found.unsaved_intervals, unsaved / interval)
    if reports.heartbeats.last_heard is not None:
        found.silence = max(found.silence, _seconds(reports.heartbeats.last_heard, now))


def _saved_or_ran(status: StargateJobStatus, now: datetime) -> datetime:
    """The time after which training is lost if the attempt ends: the last checkpoint, or the start."""
    attempt: AttemptStatus = status.attempts[-1]
    complete = checkpoints.complete(status.checkpoints)
    saved = [checkpoint.time for checkpoint in complete if checkpoint.attempt == attempt.number]
    return max([attempt.running or now, *saved])


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
