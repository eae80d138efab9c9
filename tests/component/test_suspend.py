"""spec.suspend releases all nodes at each stage of a job's life and loses no saved progress."""

import asyncio

from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import condition
from tests.kit.recorder.history import Job


async def suspended(job: JobStory) -> Job:
    job.suspend()
    await job.wait_condition("Suspended", "True", "Suspended")
    assert not [pod.name for pod in job.pods() if pod.live]
    return job.now


async def test_suspended_job_resumes_from_checkpoint(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    assert (await job.worker().saves(20)).status == 200
    started = job.now.status["startTime"]
    stopped = await suspended(job)
    assert stopped.newest_complete
    await cluster.rests()
    assert job.now.workers == {"desired": 3} | dict.fromkeys(
        ("created", "scheduled", "running", "ready", "succeeded", "failed"), 0
    )
    job.resume()
    again = await job.wait_phase("Running")
    assert (again.attempt, again.restarts) == (2, 0)
    assert again.restored_from == {"epoch": 20, "uri": stopped.newest_complete["uri"]}
    assert again.attempts[0]["cause"] == "Suspended"
    assert again.status["startTime"] > started
    assert condition(again, "Suspended")["status"] == "False"


async def test_checkpoint_saved_during_grace_period_counts(cluster: Cluster) -> None:
    cluster.kubelets.speeds.stop = lambda: 4.0
    await cluster.operated()
    job = cluster.apply(template={"terminationGracePeriodSeconds": 5})
    await job.wait_phase("Running")
    rank_zero = job.worker()
    assert not (await rank_zero.report(epoch=7)).body["stop"]
    job.suspend()
    await job.wait_phase("Suspended")
    await asyncio.sleep(0.1)
    assert (await rank_zero.report(epoch=7)).body["stop"]
    assert (await rank_zero.saves(7)).status == 200
    await job.wait_condition("Suspended", "True", "Suspended")
    job.resume()
    again = await job.wait_phase("Running")
    assert again.restored_from == {"epoch": 7, "uri": rank_zero.checkpoint(7)["uri"]}


async def test_job_created_suspended_starts_on_resume(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(suspend=True)
    await job.wait_condition("Suspended", "True", "Suspended")
    assert job.now.attempt == 0
    job.resume()
    assert (await job.wait_phase("Running")).attempt == 1
    assert job.phases == ["Suspended", "Pending", "Starting", "Running"]


async def test_job_waiting_for_class_can_be_suspended(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(acceleratorType="quantum")
    await job.wait_condition("Accepted", "False", "AcceleratorClassNotFound")
    await suspended(job)
    cluster.add_class("quantum")
    cluster.add_nodes(2, "quantum")
    job.resume()
    assert (await job.wait_phase("Running")).attempt == 1


async def test_suspended_starting_gang_releases_its_nodes(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=9)
    await job.wait(lambda job: job.workers.get("scheduled") == 8, "eight ranks with a node")
    await suspended(job)
    cluster.add_nodes(1)
    job.resume()
    again = await job.wait_phase("Running")
    assert (again.attempt, again.restarts) == (2, 0)


async def test_restarting_job_is_suspended_before_next_attempt(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    job.oom_kill(0)
    await job.wait_phase("Running", attempt=2)
    job.oom_kill(0)
    await job.wait_condition("Scheduled", "False", "BackingOff")
    await suspended(job)
    await cluster.rests()
    job.resume()
    again = await job.wait(lambda job: job.phase in ("Restarting", "Starting"), "a new attempt")
    assert again.restarts == 2


async def test_finished_job_is_not_suspended(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    job.finish()
    await job.wait_phase("Succeeded")
    job.suspend()
    await asyncio.sleep(60)
    assert job.now.phase == "Succeeded"


async def test_job_fails_at_its_deadline(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(activeDeadlineSeconds=600)
    await job.wait_phase("Running")
    began = cluster.loop.time()
    failed = await job.wait_phase("Failed", seconds=700)
    assert 590 < cluster.loop.time() - began < 602
    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"
    assert failed.attempts[-1]["cause"] == "DeadlineExceeded"
    await job.wait_pods(lambda pods: not any(pod.live for pod in pods), "no live worker")


async def test_deadline_starts_again_on_resume(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(activeDeadlineSeconds=60)
    await job.wait_phase("Running")
    await suspended(job)
    await asyncio.sleep(120)
    assert job.now.phase == "Suspended"
    job.resume()
    await job.wait_phase("Running")
    began = cluster.loop.time()
    failed = await job.wait_phase("Failed")
    assert cluster.loop.time() - began > 55
    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"


async def test_deadline_can_be_set_while_job_runs(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    job.patch(activeDeadlineSeconds=1)
    assert condition(await job.wait_phase("Failed"), "Failed")["reason"] == "DeadlineExceeded"
