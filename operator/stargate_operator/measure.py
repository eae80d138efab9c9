"""Metrics of what has been written, and gauges of what stands."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from stargate_operator import metrics
from stargate_operator.jobs import Jobs
from stargate_operator.kube.client import Client
from stargate_operator.kube.foreign_pods import ForeignPods
from stargate_operator.kube.pod_store import PodStore
from stargate_types.status import AttemptStatus, StargateJobStatus

_GAUGE_SECONDS = 5.0


def count(before: StargateJobStatus, after: StargateJobStatus) -> None:
    """Of one status write: attempts that ended, gangs that came to run."""
    ended = {each.number for each in before.attempts if each.end}
    ran = {each.number for each in before.attempts if each.running}
    for attempt in after.attempts:
        if attempt.cause and attempt.number not in ended:
            metrics.attempt_ended(attempt.cause)
        if attempt.running and attempt.number not in ran:
            _ran(attempt, after.attempts)


def _ran(attempt: AttemptStatus, attempts: list[AttemptStatus]) -> None:
    assert attempt.running is not None
    metrics.gang_started((attempt.running - attempt.start).total_seconds())
    for previous in attempts:
        if previous.number == attempt.number - 1 and previous.end and previous.running:
            metrics.gang_restarted((attempt.running - previous.end).total_seconds())


async def keep_gauges(
    jobs: Jobs, pods: PodStore, foreign_pods: Iterable[ForeignPods], client: Client
) -> None:
    while True:
        metrics.jobs_by_phase(Counter(job.status.phase for job in jobs if job.status.phase))
        metrics.informer_pods(len(pods))
        metrics.foreign_pods(sum(len(each) for each in foreign_pods))
        metrics.api_concurrency(client.limiter.limit)
        await asyncio.sleep(_GAUGE_SECONDS)
