"""All-or-nothing scheduling without a gang scheduler: gangs compete for eight nodes.

If two gangs cannot both get all their nodes, one yields within seconds. No gang stays partly scheduled
past its start timeout. A gang that yielded holds no nodes, is Queued, and runs as soon as it fits.
"""

import asyncio

from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import ending
from tests.kit.recorder.history import Job, State

MANY = 5
SOON = 15.0


def held(state: State, job: JobStory) -> int:
    """The number of nodes that the job's live pods hold."""
    return sum(pod.live and bool(pod.node) for pod in state.pods_of(job.uid))


async def queued_with_nothing(job: JobStory, seconds: float = SOON) -> Job:
    def waits(state: State) -> Job | None:
        found = state.job(job.uid)
        empty = not any(pod.live for pod in state.pods_of(job.uid))
        return found if found and found.phase == "Queued" and empty else None

    found = await job.cluster.wait(waits, f"{job.name} queued with no pod", seconds)
    assert isinstance(found, Job)
    return found


async def test_competing_gang_yields_and_both_jobs_finish(cluster: Cluster) -> None:
    await cluster.operated()
    jobs = [cluster.apply(name, MANY) for name in ("older", "younger")]
    first: JobStory = await cluster.wait(
        lambda state: next((job for job in jobs if held(state, job) == MANY), None),
        "one gang with all its nodes",
        SOON,
    )
    second = next(job for job in jobs if job is not first)
    queued = await queued_with_nothing(second)
    assert ending(queued)["cause"] == "Yielded"
    assert queued.restarts == 0
    assert (await first.wait_phase("Running")).attempt == 1
    await cluster.rests(60)
    first.finish()
    await first.wait_phase("Succeeded")
    assert (await second.wait_phase("Running", seconds=SOON)).attempt == 2
    second.finish()
    await second.wait_phase("Succeeded")


async def test_later_gang_yields_until_earlier_job_is_deleted(cluster: Cluster) -> None:
    await cluster.operated()
    first = cluster.apply("first", MANY)
    await first.wait_phase("Running")
    second = cluster.apply("second", MANY)
    queued = await queued_with_nothing(second)
    assert f"job {cluster.namespace}/first" in ending(queued)["message"]
    first.oom_kill(2)
    assert (await first.wait_phase("Running", attempt=2)).restarts == 1
    assert second.now.attempt == 2, "the second gang took the nodes of a restarting gang"
    first.delete()
    await second.wait_phase("Running", seconds=SOON)


async def test_queued_gang_uses_nodes_freed_during_operator_downtime(cluster: Cluster) -> None:
    operator = await cluster.operated()
    first = cluster.apply("first", MANY)
    await first.wait_phase("Running")
    second = cluster.apply("second", MANY)
    await queued_with_nothing(second)
    with cluster.recorder.interrupted():
        operator.kill()
        first.finish()
        await cluster.operated()
    assert (await second.wait_phase("Running", seconds=SOON)).attempt == 2


async def test_gangs_on_different_hardware_do_not_compete(cluster: Cluster) -> None:
    cluster.add_class("quantum")
    cluster.add_nodes(2, "quantum")
    await cluster.operated()
    first = cluster.apply("first", 8)
    await first.wait_phase("Running")
    second = cluster.apply("second", 3, acceleratorType="quantum")
    await second.wait(lambda job: job.workers.get("scheduled") == 2, "two of its three nodes")
    await asyncio.sleep(60)
    assert second.now.attempt == 1
    cluster.add_nodes(1, "quantum")
    assert (await second.wait_phase("Running")).attempt == 1


async def test_gang_releases_nodes_at_start_timeout_and_retries(cluster: Cluster) -> None:
    timeout = 120
    await cluster.operated()
    job = cluster.apply("large", 12, scheduling={"startTimeoutSeconds": timeout})
    queued = await queued_with_nothing(job, timeout + SOON)
    assert ending(queued)["cause"] == "StartTimeout"
    assert f"startTimeoutSeconds, {timeout} s" in ending(queued)["message"]
    again = await job.wait(
        lambda job: job.workers.get("scheduled") == 8, "another try", timeout + SOON
    )
    assert again.attempt == 2
    await queued_with_nothing(job, timeout + SOON)
    cluster.add_nodes(4)
    running = await job.wait_phase("Running", seconds=2 * timeout)
    assert running.restarts == 0
