"""Metrics of what has been written, and gauges of what stands."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from stargate_operator import metrics
from stargate_operator.model.reports import Reports
from stargate_operator.survey import Survey, survey
from stargate_types import StargateJob
from stargate_types.status import AttemptStatus, Phase, StargateJobStatus

_GAUGE_SECONDS = 5.0


def count(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    """Of one status write: attempts that ended, gangs that came to run, what was told and lost."""
    ended = {each.number for each in before.attempts if each.end}
    ran = {each.number for each in before.attempts if each.running}
    for attempt in after.attempts:
        if attempt.cause and attempt.number not in ended:
            metrics.attempt_ended(attempt.cause)
        if attempt.running and attempt.number not in ran:
            _ran(attempt, after.attempts)
    _told(before, after, now)
    _lost(before, after)


def _ran(attempt: AttemptStatus, attempts: list[AttemptStatus]) -> None:
    assert attempt.running is not None
    metrics.gang_started((attempt.running - attempt.start).total_seconds())
    for previous in attempts:
        if previous.number == attempt.number - 1 and previous.end and previous.running:
            metrics.gang_restarted((attempt.running - previous.end).total_seconds())


def _told(before: StargateJobStatus, after: StargateJobStatus, now: datetime) -> None:
    reported = after.progress.last_report_time if after.progress else None
    if reported and (before.progress is None or before.progress.last_report_time != reported):
        metrics.reports_written(max(0.0, (now - reported).total_seconds()))


def _lost(before: StargateJobStatus, after: StargateJobStatus) -> None:
    """Of the last attempt's size: a gang that changes its size ends an attempt first."""
    stood = before.goodput.lost_seconds if before.goodput else 0.0
    stands = after.goodput.lost_seconds if after.goodput else 0.0
    if stands != stood and before.attempts:
        metrics.training_lost((stands - stood) * before.attempts[-1].world_size)


@dataclass(frozen=True)
class Sources:
    """Where the gauges are read."""

    jobs: Iterable[StargateJob]
    reports_of: Callable[[str], Reports]
    leads: Callable[[], bool]
    watch_ages: Callable[[], Mapping[str, float]]
    queues: Mapping[metrics.Queue, Callable[[], int]]
    pods: Callable[[], int]
    foreign_pods: Callable[[], int]
    concurrency: Callable[[], int]
    clock: Callable[[], datetime]


async def keep_gauges(sources: Sources) -> None:
    """A standby knows the same jobs as the leader, and says nothing of them."""
    looked, ranks = time.monotonic(), dict[Phase, int]()
    while True:
        now = time.monotonic()
        metrics.time_passed(ranks, now - looked)
        looked, ranks = now, dict(_of_jobs(sources).ranks) if sources.leads() else {}
        _of_process(sources)
        await asyncio.sleep(_GAUGE_SECONDS)


def _of_jobs(sources: Sources) -> Survey:
    found = survey(sources.jobs, sources.reports_of, sources.clock())
    metrics.jobs_stand(found)
    return found


def _of_process(sources: Sources) -> None:
    metrics.informer_pods(sources.pods())
    metrics.foreign_pods(sources.foreign_pods())
    metrics.api_concurrency(sources.concurrency())
    for queue, depth in sources.queues.items():
        metrics.queue_depth(queue, depth())
    for watch, seconds in sources.watch_ages().items():
        metrics.watch_age(watch, seconds)
