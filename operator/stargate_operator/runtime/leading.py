"""The work of a replica from the moment when it holds the lease until it loses it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from stargate_operator.defaults.applier import DefaultsApplier
from stargate_operator.informers.relist import relist
from stargate_operator.runtime.leader_label import take_label
from stargate_operator.runtime.replica import Replica
from stargate_operator.telemetry import metrics

log = structlog.get_logger(__name__)


async def lead(replica: Replica) -> None:
    """From here on this process may write. It ends only with an error, which ends the process.

    The order is the design. A pass acts on everything that it sees. Each step here makes one thing true
    that a pass relies on, so the first pass comes last.
    """
    # The watches of pod groups start only now, so they must be waited for with all the others.
    group_version = await replica.follow_pod_groups()
    await _all_synced(replica)
    # The watches of a standby may be behind without knowing it: read everything once more.
    acted_on = [informer for informer in replica.informers if informer not in replica.foreign_pods]
    await relist(replica.client, replica.scope, replica.jobs, replica.catalog, acted_on)
    # Nodes that have vanished can be named only after all pods are known for certain.
    replica.node_tracker.miss({pod.node for pod in replica.every_pod()})
    # The label sends the workers to this process, so reports arrive from now on.
    await _take_leader_label(replica)
    # A standby hears no reports. Silence must count from now, or a live gang looks hung.
    replica.listening.begin()
    replica.work_queue.start(replica.dependencies(group_version))
    replica.leads_now.set()
    metrics.leading(True)
    log.info("leading", identity=replica.settings.leader_identity, native_gangs=group_version)
    await _until_a_part_fails(replica)


async def _all_synced(replica: Replica) -> None:
    for informer in replica.informers:
        await informer.synced.wait()


async def _take_leader_label(replica: Replica) -> None:
    settings = replica.settings
    if settings.pod_name:
        await take_label(replica.client, namespace=settings.namespace, pod_name=settings.pod_name)


async def _until_a_part_fails(replica: Replica) -> None:
    assert replica.work_queue.failure is not None
    duties = [asyncio.ensure_future(duty) for duty in _duties(replica)]
    try:
        await _first_failure(replica.work_queue.failure, *duties)
    finally:
        for duty in duties:
            duty.cancel()


def _duties(replica: Replica) -> list[Coroutine[Any, Any, None]]:
    """The leader's tasks beside the jobs."""
    directory = replica.settings.defaults_directory
    defaults = [DefaultsApplier(replica.client, directory).run()] if directory else []
    return [replica.compute_blocks().run(), *defaults]


async def _first_failure(*parts: asyncio.Future[None]) -> None:
    """Waits until the first of them ends, and raises its error."""
    done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    for part in done:
        part.result()
