"""Gauges of the present state: of all jobs, and of this process.

Only the leader reports on jobs. The job gauges of a standby stay at 0, so that sums over replicas are
right.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter, Gauge

from stargate_operator.model.reports import Reports
from stargate_operator.telemetry import metrics
from stargate_operator.telemetry.metrics import registry
from stargate_operator.telemetry.survey import WAITING, Survey, survey
from stargate_types import StargateJob
from stargate_types.status import Phase

_GAUGE_SECONDS = 5.0

_jobs = Gauge("stargate_jobs", "Jobs by phase.", ["phase"], registry=registry)
_ranks = Gauge("stargate_ranks", "Ranks of jobs by phase.", ["phase"], registry=registry)
_rank_seconds = Counter(
    "stargate_rank_seconds",
    "Ranks times seconds by the phase of their job. It shows how the machines' time is used.",
    ["phase"],
    registry=registry,
)
_oldest_wait = Gauge(
    "stargate_oldest_wait_seconds",
    "Longest time that a job in the phase has been without a running gang.",
    ["phase"],
    registry=registry,
)
_unsaved_seconds = Gauge(
    "stargate_oldest_checkpoint_seconds",
    "Longest time that a running job has trained since its last complete checkpoint, or since its"
    " attempt ran.",
    registry=registry,
)
_unsaved_intervals = Gauge(
    "stargate_oldest_checkpoint_intervals",
    "Longest time since a running job's last complete checkpoint, in checkpoint intervals of that job at"
    " its present speed.",
    registry=registry,
)
_longest_silence = Gauge(
    "stargate_longest_silence_seconds",
    "Longest silence of a running job that has reported to this process.",
    registry=registry,
)
_most_failures = Gauge(
    "stargate_most_failures_since_checkpoint",
    "Most failures that an unfinished job has had since its last complete checkpoint.",
    registry=registry,
)

for _phase in Phase:
    _rank_seconds.labels(_phase.value)


@dataclass(frozen=True)
class Sources:
    """The functions that the gauges are read from."""

    jobs: Iterable[StargateJob]
    reports_of: Callable[[str], Reports]
    leads: Callable[[], bool]
    watch_ages: Callable[[], Mapping[str, float]]
    queues: Mapping[metrics.Queue, Callable[[], int]]
    pods: Callable[[], int]
    foreign_pods: Callable[[], int]
    concurrency: Callable[[], int]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic


async def keep_gauges(sources: Sources) -> None:
    """Sets the gauges every few seconds. A standby knows the same jobs as the
    leader but does not report on them."""
    looked, ranks = sources.monotonic(), dict[Phase, int]()
    while True:
        now = sources.monotonic()
        time_passed(ranks, now - looked)
        looked, ranks = now, dict(_of_jobs(sources).ranks) if sources.leads() else {}
        _of_process(sources)
        await asyncio.sleep(_GAUGE_SECONDS)


def _of_jobs(sources: Sources) -> Survey:
    found = survey(sources.jobs, sources.reports_of, sources.clock())
    jobs_surveyed(found)
    return found


def _of_process(sources: Sources) -> None:
    metrics.informer_pods(sources.pods())
    metrics.foreign_pods(sources.foreign_pods())
    metrics.api_concurrency(sources.concurrency())
    for queue, depth in sources.queues.items():
        metrics.queue_depth(queue, depth())
    for watch, seconds in sources.watch_ages().items():
        metrics.watch_age(watch, seconds)


def jobs_surveyed(survey: Survey) -> None:
    for phase in Phase:
        _jobs.labels(phase.value).set(survey.jobs[phase])
        _ranks.labels(phase.value).set(survey.ranks[phase])
    for phase in WAITING:
        _oldest_wait.labels(phase.value).set(survey.waits.get(phase, 0.0))
    _unsaved_seconds.set(survey.unsaved_seconds)
    _unsaved_intervals.set(survey.unsaved_intervals)
    _longest_silence.set(survey.silence)
    _most_failures.set(survey.failures)


def time_passed(ranks: Mapping[Phase, int], seconds: float) -> None:
    for phase, count in ranks.items():
        _rank_seconds.labels(phase.value).inc(count * seconds)
