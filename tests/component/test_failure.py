"""Restarts after a failure: the cause, the checkpoint to resume from, the pause and the goodput."""

import asyncio
from datetime import datetime

import pytest

from tests.kit.api_server import faults
from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import condition, ending


def seconds_to_act(job: JobStory) -> float:
    """Seconds from the write of the first failed pod to the write of the next attempt."""
    writes = job.cluster.recorder.writes
    failed = next(each.at for each in writes if each.pod and each.pod.phase == "Failed")
    return next(each.at for each in writes if each.job and each.job.attempt == 2) - failed


async def test_failed_rank_restarts_gang_from_checkpoint(cluster: Cluster) -> None:
    job = await cluster.running(nodes=3)
    rank_zero = job.worker()
    assert (await rank_zero.saves(5)).status == 200
    assert (await rank_zero.saves(10)).status == 200
    await rank_zero.saves(15, "Writing")
    victim = job.kill(2, 3, message="Traceback: out of luck")
    again = await job.wait_phase("Running", attempt=2)
    assert again.restarts == 1
    assert again.restored_from == {"epoch": 10, "uri": rank_zero.checkpoint(10)["uri"]}
    assert again.status["progress"]["percent"] == 10.0
    found = ending(again)
    assert (found["cause"], found["rank"], found["node"]) == ("Exit", 2, victim.node)
    assert (found["exitCode"], found["worldSize"]) == (3, 3)
    assert "out of luck" in found["message"]
    assert ending(again, 2)["restoredEpoch"] == 10
    assert {pod.env["STARGATE_RESUME_EPOCH"] for pod in job.pods()} == {"10"}
    assert seconds_to_act(job) >= 0.9, "no time was left for reports of an earlier failure"


async def test_gang_without_checkpoint_restarts_from_zero(cluster: Cluster) -> None:
    job = await cluster.running()
    await job.worker().report(epoch=4)
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    assert again.restored_from is None
    assert job.worker().resumes_from is None
    assert again.status["progress"]["epoch"] == 0


async def test_gang_of_one_restarts_after_failure(cluster: Cluster) -> None:
    job = await cluster.running(nodes=1)
    job.kill(0, 1)
    assert (await job.wait_phase("Running", attempt=2)).restarts == 1


async def test_out_of_memory_kill_restarts_gang_immediately(cluster: Cluster) -> None:
    job = await cluster.running(nodes=3)
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["exitCode"]) == ("OOMKilled", 137)
    assert seconds_to_act(job) < 0.2


@pytest.mark.parametrize(("code", "cause"), [(137, "Signal"), (1, "Exit"), (255, "Exit")])
async def test_exit_code_determines_cause(cluster: Cluster, code: int, cause: str) -> None:
    job = await cluster.running()
    job.kill(1, code)
    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["rank"]) == (cause, 1)


async def test_earliest_failure_is_blamed_not_first_reported(cluster: Cluster) -> None:
    """One failed rank makes the others crash, and their kubelets may report it earlier."""
    job = await cluster.running(nodes=3)
    job.kill(0, 1, message="connection reset by peer")
    await asyncio.sleep(0.5)
    job.kill(2, 1, late=5.0)
    again = await job.wait_phase("Running", attempt=2)
    assert ending(again)["rank"] == 2
    assert again.restarts == 1


async def test_job_fails_when_restarts_are_used_up(cluster: Cluster) -> None:
    job = await cluster.running(restartPolicy={"maxRestarts": 1})
    job.kill(1, 7)
    await job.wait_phase("Running", attempt=2)
    job.oom_kill(0)
    failed = await job.wait_phase("Failed")
    found = condition(failed, "Failed")
    assert found["reason"] == "MaxRestartsExceeded"
    assert "OOMKilled" in found["message"]
    assert "maxRestarts" in found["message"]
    assert (failed.attempt, failed.restarts) == (2, 1)
    await job.wait_pods(lambda pods: not any(pod.live for pod in pods), "no live worker")
    await cluster.rests()


async def test_checkpoint_resets_failure_count(cluster: Cluster) -> None:
    job = await cluster.running(restartPolicy={"maxRestarts": 1})
    job.kill(1, 7)
    again = await job.wait_phase("Running", attempt=2)
    assert again.status["failuresSinceCheckpoint"] == 1
    assert (await job.worker().saves(5)).status == 200
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=3)
    assert again.restarts == 2
    assert again.status["failuresSinceCheckpoint"] == 1


async def test_each_newer_step_resets_failure_count(cluster: Cluster) -> None:
    """A job with one epoch saves by steps, and lives as long as it makes progress."""
    job = await cluster.running(
        epochs=1, checkpointIntervalEpochs=1, restartPolicy={"maxRestarts": 1}
    )
    for attempt in range(1, 5):
        if attempt > 1:
            assert job.worker().pod.env["STARGATE_RESUME_STEP"] == str((attempt - 1) * 100)
        assert (await job.worker().saves(0, step=attempt * 100)).status == 200
        job.oom_kill(1)
        again = await job.wait_phase("Running", attempt=attempt + 1)
        assert again.failures == 1
    assert ending(again, 5)["restoredStep"] == 400


async def test_damaged_step_falls_back_to_the_one_before(cluster: Cluster) -> None:
    job = await cluster.running(epochs=1, checkpointIntervalEpochs=1)
    first = job.worker()
    for step in (100, 200):
        assert (await first.saves(0, step=step)).status == 200
    job.oom_kill(1)
    await job.wait_phase("Running", attempt=2)
    place = first.checkpoint(0, step=200)["uri"]
    await job.worker().saves(0, "Damaged", place)
    again = await job.wait_phase("Running", attempt=3)
    saved = first.checkpoint(0, step=100)
    assert again.restored_from == {"epoch": 0, "step": 100, "uri": saved["uri"]}
    assert [(each["step"], each["state"]) for each in again.checkpoints] == [
        (200, "Damaged"),
        (100, "Complete"),
    ]


async def test_repeated_failures_increase_restart_delay(cluster: Cluster) -> None:
    job = await cluster.running(nodes=1)
    pauses = []
    for attempt in range(2, 6):
        before = cluster.loop.time()
        job.oom_kill(0)
        await job.wait_phase("Running", attempt=attempt)
        pauses.append(cluster.loop.time() - before)
    assert pauses == pytest.approx([1, 10, 20, 40], abs=1.5)


async def test_ten_failed_pods_stay_until_next_restart(cluster: Cluster) -> None:
    cluster.add_nodes(6)
    job = await cluster.running(nodes=14)
    for rank in (12, *range(12)):
        job.kill(rank, 1, late=1.0 if rank == 12 else 0.0)
    again = await job.wait_phase("Running", attempt=2)
    assert ending(again)["rank"] == 12
    kept = await job.wait_pods(
        lambda pods: sum(pod.attempt == 1 for pod in pods) == 10, "ten failed pods kept"
    )
    assert f"{job.name}-1-12" in {pod.name for pod in kept}
    job.delete_pod(3)
    await job.wait_phase("Running", attempt=3)
    await job.wait_pods(lambda pods: {each.attempt for each in pods} == {3}, "only attempt 3")


@pytest.mark.parametrize("grace", [0, 2])
async def test_pod_deleted_by_hand_restarts_gang_uncounted(cluster: Cluster, grace: int) -> None:
    job = await cluster.running(nodes=3)
    job.delete_pod(1, grace=grace)
    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["rank"]) == ("Deleted", 1)
    assert again.restarts == 1
    assert not again.status.get("failuresSinceCheckpoint")


async def test_pod_deleted_during_start_is_recreated(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=9)
    await job.wait(lambda job: job.workers.get("scheduled") == 8, "all but one with a node")
    placed = next(pod for pod in job.pods() if pod.node)
    job.delete_pod(placed.rank)
    await job.wait_pods(
        lambda pods: any(pod.rank == placed.rank and pod.uid != placed.uid for pod in pods),
        f"rank {placed.rank} again",
    )
    cluster.add_nodes(1)
    assert (await job.wait_phase("Running")).attempt == 1


async def test_ended_attempt_gets_no_new_pods(cluster: Cluster) -> None:
    """A rank fails while the other pods are still being created."""
    await cluster.operated()
    slow = faults.delayed(before=3.0)
    cluster.server.strike(slow, verb="create", resource="pods", skip=1, times=2)
    job = cluster.apply(nodes=3)
    await job.wait_pods(lambda pods: any(each.phase == "Running" for each in pods), "rank 0")
    job.oom_kill(0)
    again = await job.wait_phase("Running", attempt=2)
    assert again.restarts == 1
    await job.wait_pods(lambda pods: sum(pod.live for pod in pods) == 3, "the gang alone")


async def test_evicted_rank_restarts_gang_uncounted(cluster: Cluster) -> None:
    job = await cluster.running()
    job.evict(1)
    again = await job.wait_phase("Running", attempt=2)
    assert ending(again)["cause"] == "Evicted"
    assert "low on resource" in ending(again)["message"]
    assert not again.status.get("failuresSinceCheckpoint")


async def test_goodput_accounts_for_all_elapsed_time(cluster: Cluster) -> None:
    job = await cluster.running()
    await asyncio.sleep(60)
    assert (await job.worker().saves(5)).status == 200
    await asyncio.sleep(30)
    job.kill(1, 1)
    await job.wait_phase("Running", attempt=2)
    await asyncio.sleep(60)
    job.finish()
    done = await job.wait_phase("Succeeded")
    spent = done.status["goodput"]
    parts = ("productiveSeconds", "startingSeconds", "lostSeconds", "restartingSeconds")
    first, last = done.attempts[0]["start"], done.status["accountedTime"]
    total = sum(spent[part] for part in parts)
    assert total == pytest.approx(seconds_between(first, last), abs=0.1)
    assert spent["ratio"] == pytest.approx(spent["productiveSeconds"] / total, abs=0.001)
    assert spent["productiveSeconds"] == pytest.approx(120, abs=3)
    assert spent["lostSeconds"] == pytest.approx(30, abs=2)
    assert spent["startingSeconds"] > 0
    assert spent["restartingSeconds"] > 0


def seconds_between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()
