"""A gang that stops reporting is restarted; a gang with some silent ranks is not."""

import asyncio

from tests.kit.cluster import Cluster
from tests.kit.cluster.jobs import condition, ending
from tests.kit.cluster.workers import reporting


async def test_silent_gang_restarts_from_checkpoint(cluster: Cluster) -> None:
    job = await cluster.running(hang={"reportTimeoutSeconds": 120})
    rank_zero = job.worker()
    assert (await rank_zero.saves(5)).status == 200
    async with reporting(rank_zero, job.worker(1), epoch=7):
        await asyncio.sleep(600)
        assert job.now.attempt == 1
    again = await job.wait_phase("Running", attempt=2, seconds=150)
    ended = ending(again)
    assert ended["cause"] == "Hang"
    assert (
        "(spec.hang.reportTimeoutSeconds); the last position known is epoch 7" in ended["message"]
    )
    assert again.restored_from
    assert again.restored_from["epoch"] == 5
    assert (again.restarts, again.status["failuresSinceCheckpoint"]) == (1, 1)
    assert any("Hang" in event["message"] for event in job.events("AttemptEnded"))


async def test_rank_that_fell_silent_first_is_named(cluster: Cluster) -> None:
    job = await cluster.running(nodes=3, hang={"reportTimeoutSeconds": 60})
    async with reporting(job.worker(1)):
        await asyncio.sleep(30)
    async with reporting(job.worker(0), job.worker(2)):
        await asyncio.sleep(300)
        assert job.now.attempt == 1, "one silent rank was taken for a hang"
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert (ended["cause"], ended["rank"]) == ("Hang", 1)
    assert "rank 1 fell silent first" in ended["message"]
    assert ended["node"]


async def test_gang_that_never_reports_is_restarted(cluster: Cluster) -> None:
    job = await cluster.running(hang={"reportTimeoutSeconds": 60})
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert ended["cause"] == "Hang"
    assert "no rank has reported since all of them ran" in ended["message"]


async def test_job_fails_after_hanging_in_every_attempt(cluster: Cluster) -> None:
    await cluster.operated()
    hang, policy = {"reportTimeoutSeconds": 60}, {"maxRestarts": 1}
    job = cluster.apply(nodes=1, hang=hang, restartPolicy=policy)
    failed = await job.wait_phase("Failed", seconds=300)
    assert [each["cause"] for each in failed.attempts] == ["Hang", "Hang"]
    assert condition(failed, "Failed")["reason"] == "MaxRestartsExceeded"


async def test_hang_timeout_can_change_while_job_runs(cluster: Cluster) -> None:
    job = await cluster.running(hang={"reportTimeoutSeconds": 60})
    async with reporting(job.worker()):
        await asyncio.sleep(10)
        job.patch(hang=None)
        await asyncio.sleep(10)
    await asyncio.sleep(600)
    assert job.now.attempt == 1, "silence counted as a hang without a timeout"
    job.patch(hang={"reportTimeoutSeconds": 1})
    await asyncio.sleep(3)
    assert job.now.attempt == 1, "the hang ignored the interval that the ranks were asked for"
    assert ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))["cause"] == "Hang"


async def test_suspended_job_never_counts_as_hung(cluster: Cluster) -> None:
    job = await cluster.running(hang={"reportTimeoutSeconds": 60})
    interval = (await job.worker(1).report(step=1)).body["nextReportSeconds"]
    assert interval <= 30, "the report interval is too long for the timeout"
    async with reporting(job.worker(0)):
        job.suspend()
        await job.wait_phase("Suspended")
    await asyncio.sleep(120)
    assert job.now.attempts[-1]["cause"] == "Suspended"


async def test_operator_downtime_does_not_count_as_hang(cluster: Cluster) -> None:
    operator = await cluster.operated()
    job = cluster.apply(hang={"reportTimeoutSeconds": 60})
    await job.wait_phase("Running")
    async with reporting(job.worker(0), job.worker(1), epoch=3):
        await asyncio.sleep(20)
        with cluster.recorder.interrupted():
            cluster.crash(operator, back_after=120.0)
            await cluster.until(lambda: cluster.leader, "an operator", 200)
        await asyncio.sleep(100)
        assert job.now.attempt == 1
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert ended["cause"] == "Hang"
    assert "last position known is epoch 3" in ended["message"]


async def test_hang_found_by_new_operator_blames_no_rank(cluster: Cluster) -> None:
    operator = await cluster.operated()
    job = cluster.apply(hang={"reportTimeoutSeconds": 60})
    await job.wait_phase("Running")
    with cluster.recorder.interrupted():
        await cluster.restarted(operator)
    hung = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert hung["cause"] == "Hang"
    assert "when the operator began to listen" in hung["message"]
    assert "rank" not in hung
