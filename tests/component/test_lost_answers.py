"""Requests that are refused or lost, before or after the API server has handled them."""

import asyncio

import pytest

from tests.kit.api_server import faults
from tests.kit.cluster import Cluster
from tests.kit.recorder.history import Job


async def test_gang_runs_after_unanswered_pod_create(cluster: Cluster) -> None:
    """The retry finds a running pod before the watch delivers that version."""
    await cluster.operated()
    [watch] = [
        watch
        for watch in cluster.server.watches
        if watch.resource.plural == "pods" and watch.labels == "stargate.dev/job-uid"
    ]
    creates = {"verb": "create", "resource": "pods"}
    cluster.server.strike(faults.ANSWER_LOST, times=1, **creates)
    cluster.server.strike(faults.delayed(before=3.0), times=1, **creates)
    with cluster.recorder.interrupted():
        watch.hold()
        job = cluster.apply(nodes=1)
        await job.wait_pods(lambda pods: any(each.phase == "Running" for each in pods), "a pod")
        await cluster.until(
            lambda: any(entry.code == 409 for entry in cluster.server.audit), "the retry's 409"
        )
        await asyncio.sleep(1)
        watch.release()
    assert (await job.wait_phase("Running", seconds=10)).attempt == 1
    assert "PodsRefused" not in str([version.status for version in job.history])


FAULTS = {
    "refused with 429": faults.too_many(),
    "refused with 500": faults.broken(),
    "lost": faults.LOST,
    "done and not answered": faults.ANSWER_LOST,
    "unheard": faults.UNHEARD,
    "done in silence": faults.UNANSWERED,
}
WRITES = {
    "a pod's create": {"verb": "create", "resource": "pods"},
    "a Service's create": {"verb": "create", "resource": "services"},
    "a status": {"verb": "update", "resource": "stargatejobs/status"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_gang_starts_despite_three_failed_writes(
    cluster: Cluster, fault: faults.Fault, write: dict[str, str]
) -> None:
    await cluster.operated()
    rule = cluster.server.strike(fault, times=3, **write)
    with cluster.recorder.interrupted():
        job = cluster.apply(nodes=4)
        running = await job.wait_phase("Running")
    assert rule.struck
    assert (running.attempt, running.restarts) == (1, 0)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_gang_restarts_despite_three_failed_deletes(
    cluster: Cluster, fault: faults.Fault
) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=4)
    await job.wait_phase("Running")
    rule = cluster.server.strike(fault, times=3, verb="delete", resource="pods")
    with cluster.recorder.interrupted():
        job.oom_kill(1)
        running = await job.wait_phase("Running", attempt=2)
    assert rule.struck
    assert running.restarts == 1


async def test_conflicting_status_write_is_retried(cluster: Cluster) -> None:
    """A user edits the job between the operator's read and its status write, three times."""
    await cluster.operated()
    edits = iter(range(3))

    def edit(_: object) -> None:
        number = next(edits, None)
        if number is not None:
            job.patch(activeDeadlineSeconds=1000 + number)

    cluster.server.strike(
        faults.delayed(before=0.5),
        verb="update",
        resource="stargatejobs/status",
        times=3,
        before=edit,
    )
    job = cluster.apply(nodes=2)
    running: Job = await job.wait_phase("Running")
    assert running.spec["activeDeadlineSeconds"] == 1002
    conflicts = [entry for entry in cluster.server.audit if entry.code == 409]
    assert len(conflicts) == 3
