"""The operator is killed at each stage of a job's life, and started again a second later.

The job ends as it would without the crash: a failure counts once, acknowledged checkpoints are kept, and
no objects are left behind.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.kit.api_server import faults
from tests.kit.api_server.requests import Request
from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import ending
from tests.kit.recorder.history import Job

RANKS = 6
MIDDLE = 4

Wanted = Callable[[Request], bool]


@dataclass(frozen=True)
class Point:
    """The `nth` request of a kind. If `heard`, the API server handles it and its answer is lost."""

    name: str
    wanted: Wanted
    nth: int = 1
    heard: bool = False

    def __str__(self) -> str:
        return self.name


def status(asked: Request) -> Job | None:
    """The job with the status that the request writes; None for any other request."""
    writes = (asked.verb, asked.audited) == ("update", "stargatejobs/status")
    return Job(asked.json) if writes else None


def first_status(asked: Request) -> bool:
    return status(asked) is not None


def says(phase: str, attempt: int) -> Wanted:
    def wanted(asked: Request) -> bool:
        job = status(asked)
        return job is not None and (job.phase, job.attempt) == (phase, attempt)

    return wanted


def has_checkpoint(asked: Request) -> bool:
    job = status(asked)
    return job is not None and job.newest_complete is not None


def creates_pod_of(attempt: int) -> Wanted:
    def wanted(asked: Request) -> bool:
        if (asked.verb, asked.audited) != ("create", "pods"):
            return False
        labels = asked.json["metadata"].get("labels", {})
        return bool(labels.get("stargate.dev/attempt") == str(attempt))

    return wanted


def deletes_pod(asked: Request) -> bool:
    return (asked.verb, asked.audited) == ("delete", "pods")


BIRTH = [
    Point("before-the-first-status-write", first_status),
    Point("attempt-1-written-and-no-pod", says("Starting", 1), heard=True),
    Point("in-the-middle-of-creating", creates_pod_of(1), nth=MIDDLE),
    Point("a-pod-created-and-not-answered", creates_pod_of(1), nth=MIDDLE, heard=True),
    Point("all-created-none-known-to-run", creates_pod_of(1), nth=RANKS, heard=True),
    Point("all-running-and-not-written", says("Running", 1)),
    Point("running", says("Running", 1), heard=True),
]
CHECKPOINT = [
    Point("checkpoint-reported-and-not-written", has_checkpoint),
    Point("checkpoint-written-and-not-acknowledged", has_checkpoint, heard=True),
]
FAILURE = [
    Point("failure-seen-and-not-written", says("Restarting", 2)),
    Point("failure-written-and-nothing-deleted", says("Restarting", 2), heard=True),
    Point("in-the-middle-of-the-teardown", deletes_pod, nth=MIDDLE),
    Point("old-gang-gone-and-none-made", says("Starting", 2), heard=True),
    Point("in-the-middle-of-creating-attempt-2", creates_pod_of(2), nth=MIDDLE),
]
SUSPENSION = [
    Point("suspended-and-nothing-deleted", says("Suspended", 1), heard=True),
    Point("in-the-middle-of-suspending", deletes_pod, nth=MIDDLE),
    Point("resumed", says("Restarting", 2), heard=True),
]
END = [
    Point("finished-and-not-written", says("Succeeded", 1)),
    Point("success-written", says("Succeeded", 1), heard=True),
    Point("in-the-middle-of-the-deletion", deletes_pod, nth=2),
]


@contextmanager
def crash(cluster: Cluster, point: Point) -> Iterator[None]:
    """Kills the operator when it reaches the point. Another operator starts a second later."""

    def strike(_: Request) -> None:
        if cluster.leader is not None:
            cluster.crash(cluster.leader)

    rule = cluster.server.strike(
        faults.ANSWER_LOST if point.heard else faults.LOST,
        where=point.wanted,
        times=1,
        skip=point.nth - 1,
        then=strike,
    )
    with cluster.recorder.interrupted():
        yield
    assert rule.struck == 1, f"the operator never reached the point {point}"


async def applied(cluster: Cluster) -> JobStory:
    await cluster.operated()
    job = cluster.apply(nodes=RANKS)
    await job.wait_phase("Running")
    return job


async def ends_well(job: JobStory, *, attempt: int = 1, restarts: int = 0) -> None:
    await job.wait_phase("Running", attempt)
    job.finish()
    done = await job.wait_phase("Succeeded")
    assert (done.attempt, done.restarts) == (attempt, restarts)
    assert [each["number"] for each in done.attempts] == list(range(1, attempt + 1))


@pytest.mark.parametrize("point", BIRTH, ids=str)
async def test_gang_is_created_once_despite_operator_crash(cluster: Cluster, point: Point) -> None:
    await cluster.operated()
    with crash(cluster, point):
        job = cluster.apply(nodes=RANKS)
        await job.wait_phase("Running")
        await cluster.until(lambda: cluster.leader, "an operator")
    await ends_well(job)


@pytest.mark.parametrize("point", CHECKPOINT, ids=str)
async def test_acknowledged_checkpoint_survives_operator_crash(
    cluster: Cluster, point: Point
) -> None:
    job = await applied(cluster)
    rank_zero = job.worker()
    with crash(cluster, point):
        assert (await rank_zero.insists(5)).status == 200
    assert job.now.newest_complete
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    assert again.restored_from == {"epoch": 5, "uri": rank_zero.checkpoint(5)["uri"]}
    await ends_well(job, attempt=2, restarts=1)


@pytest.mark.parametrize("point", FAILURE, ids=str)
async def test_failure_is_counted_once_despite_operator_crash(
    cluster: Cluster, point: Point
) -> None:
    job = await applied(cluster)
    assert (await job.worker().insists(5)).status == 200
    with crash(cluster, point):
        job.oom_kill(2)
        again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["rank"]) == ("OOMKilled", 2)
    assert again.restored_from
    assert again.restored_from["epoch"] == 5
    await ends_well(job, attempt=2, restarts=1)


@pytest.mark.parametrize("point", SUSPENSION, ids=str)
async def test_suspension_completes_despite_operator_crash(cluster: Cluster, point: Point) -> None:
    job = await applied(cluster)
    assert (await job.worker().insists(5)).status == 200
    with crash(cluster, point):
        job.suspend()
        await job.wait_condition("Suspended", "True", "Suspended")
        assert not [pod for pod in job.pods() if pod.live]
        job.resume()
        again = await job.wait_phase("Running", attempt=2)
    assert again.restored_from
    assert again.restored_from["epoch"] == 5
    await ends_well(job, attempt=2)


@pytest.mark.parametrize("point", END, ids=str)
async def test_job_finishes_and_is_deleted_despite_operator_crash(
    cluster: Cluster, point: Point
) -> None:
    cluster.garbage_collector.stop()
    job = await applied(cluster)
    with crash(cluster, point):
        await ends_well(job)
        await cluster.until(lambda: cluster.leader, "an operator")
        job.delete()
        await job.wait_gone()
