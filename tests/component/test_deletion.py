"""Deletion of a job removes all its objects, unless the user asks to keep them."""

import asyncio

import pytest

from tests.kit.api_server.resources import SERVICES, Key
from tests.kit.cluster import Cluster
from tests.kit.recorder.history import State


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_deleted_job_leaves_nothing(cluster: Cluster, propagation: str) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    job.delete(propagation)
    await job.wait_gone(seconds=10)


async def test_job_deletion_needs_no_garbage_collector(cluster: Cluster) -> None:
    cluster.garbage_collector.stop()
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    job.delete()
    await job.wait_gone(seconds=10)


async def test_job_deleted_while_starting_leaves_nothing(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=9)
    await job.wait(lambda job: job.workers.get("created") == 9, "its pods")
    job.delete()
    await job.wait_gone(seconds=10)


async def test_orphaned_pods_and_service_are_left_alone(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    names = {pod.name for pod in job.pods()}
    job.delete("Orphan")
    await cluster.wait(lambda state: not state.job(job.uid), "the job gone")
    await asyncio.sleep(60)
    left = {pod.name: pod for pod in cluster.recorder.state.pods}
    assert set(left) == names
    assert not any(pod.deleting or pod.owner for pod in left.values())
    assert cluster.server.get(SERVICES, job.name, cluster.namespace)


async def test_new_job_reuses_name_right_after_deletion(cluster: Cluster) -> None:
    await cluster.operated()
    old = cluster.apply(nodes=3)
    await old.wait_phase("Running")
    old.delete()
    new = cluster.apply(nodes=2)
    running = await new.wait_phase("Running")
    assert running.attempt == 1
    assert {pod.owner for pod in new.pods()} == {new.uid}
    await old.wait_gone()


async def test_time_to_live_deletes_finished_job(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(ttlSecondsAfterFinished=3600)
    await job.wait_phase("Running")
    job.finish()
    await job.wait_phase("Succeeded")
    finished = cluster.loop.time()
    await job.wait_gone(seconds=3700)
    assert cluster.loop.time() - finished == pytest.approx(3600, abs=5)


async def test_zero_time_to_live_deletes_failed_job_immediately(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(ttlSecondsAfterFinished=0, restartPolicy={"maxRestarts": 0})
    await job.wait_phase("Running")
    job.oom_kill(1)
    await job.wait_gone(seconds=10)
    assert job.history[-1].phase == "Failed"


async def test_deleted_service_is_recreated_without_restart(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    before = cluster.server.get(SERVICES, job.name, cluster.namespace)
    assert before
    cluster.server.delete(Key(SERVICES, cluster.namespace, job.name), agent="researcher")

    def repaired(state: State) -> bool:
        uids = {service["metadata"]["uid"] for service in state.all("Service")}
        return bool(uids - {before["metadata"]["uid"]})

    await cluster.wait(repaired, "another Service")
    assert job.now.attempt == 1


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_job_deleted_while_operator_is_down_leaves_nothing(
    cluster: Cluster, propagation: str
) -> None:
    operator = await cluster.operated()
    job = cluster.apply(nodes=4)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        operator.kill()
        job.delete(propagation)
        await job.wait_gone()
        await cluster.operated()
    await cluster.rests()


async def test_restarted_operator_finishes_deletion(cluster: Cluster) -> None:
    cluster.garbage_collector.stop()
    operator = await cluster.operated()
    job = cluster.apply(nodes=8)
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        operator.kill()
        job.delete()
        await cluster.wait(lambda state: not state.job(job.uid), "the job gone")
        await asyncio.sleep(30)
        await cluster.operated()
    await job.wait_gone(seconds=10)


async def test_namesake_applied_while_operator_is_down_starts_fresh(cluster: Cluster) -> None:
    operator = await cluster.operated()
    old = cluster.apply(nodes=4)
    await old.wait_phase("Running")
    with cluster.recorder.interrupted():
        operator.kill()
        old.delete()
        await cluster.wait(lambda state: not state.job(old.uid), "the old job gone")
        new = cluster.apply(nodes=3)
        await cluster.operated()
    running = await new.wait_phase("Running")
    assert (running.attempt, running.restarts) == (1, 0)
    assert {pod.owner for pod in new.pods()} == {new.uid}
    await old.wait_gone()


async def test_failure_while_operator_is_down_counts_once(cluster: Cluster) -> None:
    operator = await cluster.operated()
    failed, done = (cluster.apply(name, nodes=4) for name in ("failed", "done"))
    for job in (failed, done):
        await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        operator.kill()
        failed.oom_kill(2)
        done.finish()
        await asyncio.sleep(60)
        await cluster.operated()
    assert (await done.wait_phase("Succeeded")).attempt == 1
    again = await failed.wait_phase("Running", attempt=2)
    assert (again.restarts, again.attempts[0]["cause"]) == (1, "OOMKilled")
