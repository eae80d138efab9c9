"""Counts what each status write tells: attempts that ended, gangs that came to run, training lost."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from stargate_operator.telemetry.metrics import registry
from stargate_types.status import AttemptStatus, Cause, StargateJobStatus

_GANG_BUCKETS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600)

_LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_report_lag = Histogram(
    "stargate_report_lag_seconds",
    "From a report of rank 0 to the status that tells of it.",
    buckets=_LAG_BUCKETS,
    registry=registry,
)
_lost_rank_seconds = Counter(
    "stargate_lost_rank_seconds",
    "Ranks times seconds of training that are trained again, counted when an attempt ends.",
    registry=registry,
)
_regained_rank_seconds = Counter(
    "stargate_regained_rank_seconds",
    "Of the lost ones, those that a save at the last moment kept after all.",
    registry=registry,
)
_gang_start = Histogram(
    "stargate_gang_start_seconds",
    "From an attempt's start to every rank running.",
    buckets=_GANG_BUCKETS,
    registry=registry,
)
_gang_restart = Histogram(
    "stargate_gang_restart_seconds",
    "From a failure to every rank of the next attempt running.",
    buckets=_GANG_BUCKETS,
    registry=registry,
)
_attempts = Counter(
    "stargate_attempts_ended", "Attempts that ended, by cause.", ["cause"], registry=registry
)

for _cause in Cause:
    _attempts.labels(_cause.value)  # at 0: the first of a cause is an increase too


def count(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    """Of one status write: attempts that ended, gangs that came to run, what was told and lost."""
    ended = {each.number for each in before.attempts if each.end}
    ran = {each.number for each in before.attempts if each.running}
    for attempt in after.attempts:
        if attempt.cause and attempt.number not in ended:
            attempt_ended(attempt.cause)
        if attempt.running and attempt.number not in ran:
            _ran(attempt, after.attempts)
    _told(before, after, now)
    _lost(before, after)


def _ran(attempt: AttemptStatus, attempts: list[AttemptStatus]) -> None:
    assert attempt.running is not None
    gang_started((attempt.running - attempt.start).total_seconds())
    for previous in attempts:
        if previous.number == attempt.number - 1 and previous.end and previous.running:
            gang_restarted((attempt.running - previous.end).total_seconds())


def _told(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    reported = after.progress.last_report_time if after.progress else None
    if reported and (before.progress is None or before.progress.last_report_time != reported):
        reports_written(max(0.0, (now - reported).total_seconds()))


def _lost(before: StargateJobStatus, after: StargateJobStatus) -> None:
    """Of the last attempt's size: a gang that changes its size ends an attempt first."""
    stood = before.goodput.lost_seconds if before.goodput else 0.0
    stands = after.goodput.lost_seconds if after.goodput else 0.0
    if stands != stood and before.attempts:
        training_lost((stands - stood) * before.attempts[-1].world_size)


def reports_written(lag: float) -> None:
    _report_lag.observe(lag)


def training_lost(rank_seconds: float) -> None:
    """Negative, where a save came after all."""
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
