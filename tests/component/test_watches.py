"""Watches that are late, end, break, or are refused because their version is compacted."""

import asyncio
from collections.abc import Callable

import pytest

from tests.kit.api_server import faults
from tests.kit.api_server.watches import Watch
from tests.kit.cluster import Cluster


def watches(cluster: Cluster, plural: str) -> list[Watch]:
    return [each for each in cluster.server.watches if each.resource.plural == plural]


WAYS = {"ended": Watch.end, "expired": Watch.expire, "broken": Watch.break_off}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("plural", ["pods", "nodes", "services", "stargatejobs"])
async def test_gang_restarts_despite_lost_watch(
    cluster: Cluster, plural: str, way: Callable[[Watch], None]
) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        for watch in watches(cluster, plural):
            way(watch)
        cluster.server.compact()
        job.oom_kill(1)
        again = await job.wait_phase("Running", attempt=2)
        assert again.restarts == 1
        job.delete()
        await job.wait_gone()


async def test_job_deletion_missed_before_relist_is_found(cluster: Cluster) -> None:
    """After a 410 kopf lists again, and sends no event for deleted objects."""
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        for watch in watches(cluster, "stargatejobs"):
            watch.hold()
        job.delete()
        await asyncio.sleep(5)
        cluster.server.compact()
        for watch in watches(cluster, "stargatejobs"):
            watch.drop()
        await job.wait_gone(seconds=600)


async def test_pod_deletion_missed_before_relist_is_found(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        for watch in watches(cluster, "pods"):
            watch.hold()
        job.delete_pod(1)
        await asyncio.sleep(1)
        cluster.server.compact()
        for watch in watches(cluster, "pods"):
            watch.drop()
        again = await job.wait_phase("Running", attempt=2)
    assert again.attempts[0]["cause"] == "Deleted"


async def test_late_watch_delays_restart_without_harm(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        for watch in watches(cluster, "pods"):
            watch.hold()
        job.oom_kill(1)
        await asyncio.sleep(20)
        assert job.now.attempt == 1
        for watch in watches(cluster, "pods"):
            watch.release()
        again = await job.wait_phase("Running", attempt=2)
    assert again.attempts[0]["cause"] == "OOMKilled"


async def test_operator_with_silent_watches_exits(cluster: Cluster) -> None:
    operator = await cluster.operated()
    for watch in watches(cluster, "stargatejobs"):
        watch.hold()
    cluster.server.strike(faults.UNHEARD, verb="list", resource="stargatejobs")
    cluster.server.strike(faults.UNHEARD, verb="watch", resource="stargatejobs")
    await cluster.until(lambda: not operator.runs, "the operator to end", 300)
    assert operator.exit_status == 1


async def test_refused_streamed_list_is_read_in_pages(cluster: Cluster) -> None:
    cluster.server.strike(
        faults.refused(422, "Invalid", "sendInitialEvents is forbidden for watch"),
        verb="watch",
        where=lambda request: "sendInitialEvents" in request.query,
    )
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")


async def test_api_server_outage_during_gang_creation_is_survived(cluster: Cluster) -> None:
    """The API server is unreachable for nine seconds."""
    operator = await cluster.operated()
    job = cluster.apply(nodes=8)
    await job.wait_pods(lambda pods: len(pods) >= 3, "a part of the gang")
    with cluster.recorder.interrupted():
        away = cluster.server.strike(faults.LOST)
        for watch in list(cluster.server.watches):
            watch.break_off()
        await asyncio.sleep(9)
        cluster.server.faults.remove(away)
        running = await job.wait_phase("Running")
    assert (running.attempt, running.restarts) == (1, 0)
    assert operator.runs
