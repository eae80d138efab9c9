"""A job's life without faults."""

from tests.kit.cluster import Cluster


async def test_a_gang_starts_whole_and_succeeds(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=4)
    running = await job.wait_phase("Running")
    assert running.attempt == 1
    job.finish()
    await job.wait_phase("Succeeded")
    assert job.phases == ["Starting", "Running", "Succeeded"]
