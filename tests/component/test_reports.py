"""Workers' reports, from the handler to the status: written, acknowledged or refused."""

import asyncio
import json

import pytest

from tests.kit.api_server import faults
from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.workers import Worker


@pytest.fixture
async def job(cluster: Cluster) -> JobStory:
    """A running job."""
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    return job


@pytest.fixture
async def rank_zero(job: JobStory) -> Worker:
    return job.worker()


async def progress_at(job: JobStory, epoch: int) -> dict[str, object]:
    def reached(found: object) -> bool:
        del found
        return bool((job.now.status.get("progress") or {}).get("epoch") == epoch)

    return dict((await job.wait(reached, f"epoch {epoch}")).status["progress"])


async def test_progress_report_is_written_to_status(job: JobStory, rank_zero: Worker) -> None:
    for epoch in (10, 11):
        await rank_zero.report(epoch=epoch)
        await asyncio.sleep(60)
    await rank_zero.report(epoch=12, step=1200, metrics=[{"name": "loss", "value": 0.25}])
    progress = await progress_at(job, 12)
    assert progress["percent"] == 12.0
    assert progress["epochs"] == 100
    assert progress["step"] == 1200
    assert progress["metrics"] == [{"name": "loss", "value": 0.25}]
    assert progress["lastReportTime"]
    assert progress["estimatedRemainingSeconds"] == pytest.approx(88 * 60, rel=0.05)


@pytest.mark.parametrize("told", [{"totalSteps": 2000}, {}], ids=["trainer", "spec"])
async def test_progress_follows_the_steps(cluster: Cluster, told: dict[str, int]) -> None:
    stated = {} if told else {"steps": 2000}
    job = await cluster.running(epochs=1, checkpointIntervalEpochs=1, **stated)
    for step in (100, 200, 300):
        await job.worker().report(epoch=0, step=step, **told)
        await asyncio.sleep(50)
    progress = job.now.status["progress"]
    assert (progress["percent"], progress["step"], progress["totalSteps"]) == (15.0, 300, 2000)
    assert progress["stepsPerSecond"] == pytest.approx(2.0, rel=0.01)
    assert progress["estimatedRemainingSeconds"] == pytest.approx(850, rel=0.05)


async def test_step_beyond_the_job_is_refused(cluster: Cluster) -> None:
    job = await cluster.running(epochs=1, checkpointIntervalEpochs=1, steps=2000)
    refusal = await job.worker().saves(0, step=2001)
    assert refusal.status == 400
    assert "2001 is more than the 2000 steps of the job" in refusal.message


async def test_older_step_is_refused(job: JobStory, rank_zero: Worker) -> None:
    assert (await rank_zero.saves(10, step=1000)).status == 200
    for step in (999, None):
        refusal = await rank_zero.saves(10, step=step)
        assert (refusal.status, refusal.body["reason"]) == (409, "OlderCheckpoint")
    assert job.now.newest_complete
    assert job.now.newest_complete["step"] == 1000


async def test_many_reports_cause_few_writes(job: JobStory, rank_zero: Worker) -> None:
    before = len(job.history)
    for epoch in range(1, 41):
        await rank_zero.report(epoch=epoch)
        await asyncio.sleep(0.1)
    await progress_at(job, 40)
    assert len(job.history) - before <= 5


async def test_only_rank_zero_reports_progress(job: JobStory, rank_zero: Worker) -> None:
    assert (await rank_zero.report(epoch=3)).body["nextReportSeconds"] == 1.0
    answer = await job.worker(1).report(epoch=50, step=5000)
    assert answer.status == 200
    assert answer.body["nextReportSeconds"] >= 5
    assert (await progress_at(job, 3))["epoch"] == 3


async def test_checkpoint_is_acknowledged_only_after_status_write(
    job: JobStory, rank_zero: Worker
) -> None:
    for epoch in (5, 10, 15, 20):
        assert "acknowledged" not in (await rank_zero.saves(epoch, "Writing")).body
        answer = await rank_zero.saves(epoch)
        saved, newest = rank_zero.checkpoint(epoch), job.now.newest_complete
        assert newest, f"epoch {epoch} was acknowledged and is not in the status"
        assert (newest["epoch"], newest["uri"]) == (epoch, saved["uri"])
        assert newest["sizeBytes"] == saved["sizeBytes"]
        assert answer.body["acknowledged"] == {key: saved[key] for key in ("epoch", "uri", "state")}
    assert [each["epoch"] for each in job.now.checkpoints] == [20, 15, 10], "not the newest three"


async def test_unwritten_checkpoint_is_not_acknowledged(
    cluster: Cluster, job: JobStory, rank_zero: Worker
) -> None:
    status = {"verb": "update", "resource": "stargatejobs/status"}
    rule = cluster.server.strike(faults.broken(), **status)
    with cluster.recorder.interrupted():
        assert (await rank_zero.saves(5)).status == 503
        assert not job.now.checkpoints
        cluster.server.faults.remove(rule)
        assert (await rank_zero.insists(5)).status == 200
    assert job.now.newest_complete


async def test_unretained_checkpoint_may_be_deleted(rank_zero: Worker) -> None:
    for epoch in (5, 10, 15):
        assert (await rank_zero.saves(epoch)).status == 200
    assert (await rank_zero.report()).body["delete"] == []
    expired = rank_zero.checkpoint(5)["uri"]
    assert (await rank_zero.saves(20)).body["delete"] == [expired]


async def test_repeated_checkpoint_report_is_acknowledged_again(rank_zero: Worker) -> None:
    first, again = await rank_zero.saves(5), await rank_zero.saves(5)
    assert first.body["acknowledged"] == again.body["acknowledged"]


async def test_older_checkpoint_is_refused(job: JobStory, rank_zero: Worker) -> None:
    assert (await rank_zero.saves(10)).status == 200
    refusal = await rank_zero.saves(5)
    assert (refusal.status, refusal.body["reason"]) == (409, "OlderCheckpoint")
    assert job.now.newest_complete
    assert job.now.newest_complete["epoch"] == 10


async def test_damaged_checkpoint_is_not_resumed_from(job: JobStory, rank_zero: Worker) -> None:
    for epoch in (5, 10):
        assert (await rank_zero.saves(epoch)).status == 200
    job.oom_kill(1)
    await job.wait_phase("Running", attempt=2)
    resumed = job.worker()
    assert resumed.resumes_from == 10
    place = rank_zero.checkpoint(10)["uri"]
    answer = await resumed.report(checkpoint=rank_zero.checkpoint(10, "Damaged", place))
    assert answer.status in (200, 409)
    again = await job.wait_phase("Running", attempt=3)
    assert again.restored_from == {"epoch": 5, "uri": rank_zero.checkpoint(5)["uri"]}
    assert again.attempts[1]["cause"] == "CheckpointDamaged"
    assert again.status["failuresSinceCheckpoint"] == 1, "only the kill may count, not the damage"
    states = {each["epoch"]: each["state"] for each in again.checkpoints}
    assert states == {10: "Damaged", 5: "Complete"}


async def test_report_of_stale_attempt_is_refused(job: JobStory, rank_zero: Worker) -> None:
    assert (await rank_zero.report()).status == 200
    job.oom_kill(1)
    await job.wait(lambda job: job.attempt == 2, "attempt 2")
    await asyncio.sleep(0.1)
    refusal = await rank_zero.saves(5)
    assert (refusal.status, refusal.body["reason"]) == (409, "StaleAttempt")
    assert not (await job.wait_phase("Running", attempt=2)).checkpoints


async def test_only_rank_zero_reports_complete_checkpoint(job: JobStory) -> None:
    refusal = await job.worker(1).saves(5)
    assert refusal.status == 403
    assert "rank 0" in refusal.message


async def test_long_eventful_status_stays_below_8_kb(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=1, restartPolicy={"maxRestarts": 100})
    for attempt in range(1, 13):
        await job.wait_phase("Running", attempt=attempt)
        rank_zero = job.worker()
        metrics = [{"name": f"metric-{n}" + "x" * 40, "value": n / 7} for n in range(16)]
        assert (await rank_zero.report(epoch=attempt, metrics=metrics)).status == 200
        assert (await rank_zero.saves(attempt)).status == 200
        log = f"attempt {attempt}: " + "out of memory! " * 100
        job.kill(0, reason="OOMKilled", message=log)
    last = await job.wait_phase("Running", attempt=13)
    assert last.restarts == 12
    assert len(last.attempts) <= 10
    for version in job.history:
        assert len(json.dumps(version.status, separators=(",", ":"))) <= 8000


async def test_token_review_failure_asks_worker_to_retry(cluster: Cluster, job: JobStory) -> None:
    """The API server failed, not the worker, so the worker must try again."""
    cluster.server.strike(faults.broken(), resource="tokenreviews", times=1)
    assert (await job.worker().report(epoch=1)).status == 503
    assert (await job.worker().report(epoch=1)).status == 200
