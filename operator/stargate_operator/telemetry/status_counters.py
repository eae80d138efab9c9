"""Counts what a status write changes: ended attempts, gangs that began to run,
lost training, reports."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from stargate_operator.telemetry.metrics import registry
from stargate_types.status import AttemptStatus, Cause, StargateJobStatus

_GANG_BUCKETS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600)

_LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_report_lag = Histogram(
    "stargate_report_lag_seconds",
    "Time from a report of rank 0 until the status has it.",
    buckets=_LAG_BUCKETS,
    registry=registry,
)
_lost_rank_seconds = Counter(
    "stargate_lost_rank_seconds",
    "Ranks times seconds of training that must be repeated, counted when an attempt ends.",
    registry=registry,
)
_regained_rank_seconds = Counter(
    "stargate_regained_rank_seconds",
    "Lost rank seconds that a late checkpoint saved after all.",
    registry=registry,
)
_gang_start = Histogram(
    "stargate_gang_start_seconds",
    "Time from the start of an attempt until all ranks run.",
    buckets=_GANG_BUCKETS,
    registry=registry,
)
_gang_restart = Histogram(
    "stargate_gang_restart_seconds",
    "Time from a failure until all ranks of the next attempt run.",
    buckets=_GANG_BUCKETS,
    registry=registry,
)
_attempts = Counter(
    "stargate_attempts_ended", "Attempts that ended, by cause.", ["cause"], registry=registry
)

for _cause in Cause:
    _attempts.labels(_cause.value)  # starts at 0, so that the first of a cause is an increase too


def count(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    """Counts one status write, from the status before and after it."""
    ended = {attempt.number for attempt in before.attempts if attempt.end}
    ran = {attempt.number for attempt in before.attempts if attempt.running}
    for attempt in after.attempts:
        if attempt.cause and attempt.number not in ended:
            attempt_ended(attempt.cause)
        if attempt.running and attempt.number not in ran:
            _ran(attempt, after.attempts)
    _count_report(before, after, now)
    _count_lost(before, after)


def _ran(attempt: AttemptStatus, attempts: list[AttemptStatus]) -> None:
    assert attempt.running is not None
    gang_started((attempt.running - attempt.start).total_seconds())
    for previous in attempts:
        if previous.number == attempt.number - 1 and previous.end and previous.running:
            gang_restarted((attempt.running - previous.end).total_seconds())


def _count_report(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    reported = after.progress.last_report_time if after.progress else None
    if reported and (before.progress is None or before.progress.last_report_time != reported):
        reports_written(max(0.0, (now - reported).total_seconds()))


def _count_lost(before: StargateJobStatus, after: StargateJobStatus) -> None:
    """The size is that of the last attempt, because a gang ends its attempt
    before it changes its size."""
    lost_before = before.goodput.lost_seconds if before.goodput else 0.0
    lost_after = after.goodput.lost_seconds if after.goodput else 0.0
    if lost_after != lost_before and before.attempts:
        training_lost((lost_after - lost_before) * before.attempts[-1].world_size)


def reports_written(lag: float) -> None:
    _report_lag.observe(lag)


def training_lost(rank_seconds: float) -> None:
    """Counts lost training. A negative number means that a late checkpoint saved it after all."""
    if rank_seconds > 0:
        _lost_rank_seconds.inc(rank_seconds)
    else:
        _regained_rank_seconds.inc(-rank_seconds)


def gang_started(seconds: float) -> None:
    _gang_start.observe(seconds)


def gang_restarted(seconds: float) -> None:
    _gang_restart.observe(seconds)


def attempt_ended(cause: str) -> None:
    _attempts.labels(cause).inc()
