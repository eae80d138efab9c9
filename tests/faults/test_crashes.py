"""The operator is killed at a chosen point of a job's life and started again at once.

The job ends as it would without the crash. A failure counts once, an acknowledged checkpoint stays in
the status, and no object is left behind. This module tests one point of each kind with a real process
and a real API server; `tests/component/test_crashes.py` tests all points.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.tap import Asked, Point, Tap, Wanted
from tests.faults.workers import insist
from tests.kit.racks import Racks
from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story

RANKS = 6
MIDDLE = 4
MORE_RANKS = 40
"""Enough ranks that the operator still finds pods: the garbage collector deletes 20 pods a second."""


def status(asked: Asked) -> Job | None:
    """The job status in the request, if the request writes one."""
    writes = asked.method == "PUT" and "/stargatejobs/" in asked.path
    return Job(asked.body) if writes else None


def says(phase: str, attempt: int) -> Wanted:
    def wanted(asked: Asked) -> bool:
        job = status(asked)
        return job is not None and (job.phase, job.attempt) == (phase, attempt)

    return wanted


def has_checkpoint(asked: Asked) -> bool:
    job = status(asked)
    return job is not None and job.newest_complete is not None


def creates_pod_of(attempt: int) -> Wanted:
    def wanted(asked: Asked) -> bool:
        if asked.method != "POST" or not asked.path.partition("?")[0].endswith("/pods"):
            return False
        labels = asked.body["metadata"].get("labels", {})
        return bool(labels.get("stargate.dev/attempt") == str(attempt))

    return wanted


def deletes_pod(asked: Asked) -> bool:
    return asked.method == "DELETE" and "/pods/" in asked.path


BIRTH = [
    Point("a-pod-created-unheard", creates_pod_of(1), nth=MIDDLE, heard=True),
]
CHECKPOINT = [
    Point("checkpoint-written-and-not-acknowledged", has_checkpoint, heard=True),
]
FAILURE = [
    Point("in-the-middle-of-the-teardown", deletes_pod, nth=MIDDLE),
]
SUSPENSION = [
    Point("suspended-and-nothing-deleted", says("Suspended", 1), heard=True),
]
END = [
    Point("in-the-middle-of-the-deletion", deletes_pod, nth=2),
]


@contextmanager
def crash(story: Story, tap: Tap, point: Point) -> Iterator[None]:
    """Kill the operator when it reaches the point, and start it again, within the block."""
    operator, recorder = story.operator, story.recorder
    tap.halt_at(point)
    trouble: list[BaseException] = []

    def strike() -> None:
        try:
            tap.await_halt(60)
            with recorder.interrupted():
                operator.kill()
                tap.go_on()
                operator.start()
        except BaseException as error:
            trouble.append(error)

    striker = threading.Thread(target=strike, name=f"crash {point}", daemon=True)
    striker.start()
    yield
    striker.join(90)
    assert not striker.is_alive(), f"{point}: the operator did not come back"
    if trouble:
        raise trouble[0]


def apply(story: Story, racks: Racks, ranks: int = RANKS) -> JobStory:
    return story.apply("job", ranks, acceleratorType=racks.build(nodes=ranks))


def ends_well(job: JobStory, *, attempt: int = 1, restarts: int = 0) -> None:
    job.wait_phase("Running", attempt)
    job.finish()
    done = job.wait_phase("Succeeded")
    assert (done.attempt, done.restarts) == (attempt, restarts)
    assert [each["number"] for each in done.attempts] == list(range(1, attempt + 1))


@pytest.mark.parametrize("point", BIRTH, ids=str)
def test_job_survives_crash_during_gang_creation(
    story: Story, racks: Racks, tap: Tap, point: Point
) -> None:
    with crash(story, tap, point):
        job = apply(story, racks)
        job.wait_phase("Running")

    ends_well(job)


@pytest.mark.parametrize("point", CHECKPOINT, ids=str)
def test_checkpoint_survives_crash_before_acknowledgement(
    story: Story, racks: Racks, tap: Tap, point: Point
) -> None:
    job = apply(story, racks)
    job.wait_phase("Running")
    rank_zero = job.worker()
    with crash(story, tap, point):
        insist(rank_zero, 5)
    assert (
        job.now.newest_complete
        == job.wait(lambda job: job.newest_complete, "a complete checkpoint").newest_complete
    )
    job.oom_kill(1)

    again = job.wait_phase("Running", attempt=2)

    assert again.restored_from == {"epoch": 5, "uri": f"{rank_zero.folder}/epoch-5"}
    ends_well(job, attempt=2, restarts=1)


@pytest.mark.parametrize("point", FAILURE, ids=str)
def test_failure_counts_once_after_crash_during_teardown(
    story: Story, racks: Racks, tap: Tap, point: Point
) -> None:
    job = apply(story, racks)
    job.wait_phase("Running")
    insist(job.worker(), 5)
    with crash(story, tap, point):
        job.oom_kill(2)
        again = job.wait_phase("Running", attempt=2)

    assert again.attempts[0]["cause"] == "OOMKilled"
    assert again.attempts[0]["rank"] == 2
    assert again.restored_from is not None
    assert again.restored_from["epoch"] == 5
    ends_well(job, attempt=2, restarts=1)


@pytest.mark.parametrize("point", SUSPENSION, ids=str)
def test_suspension_completes_after_crash(
    story: Story, racks: Racks, tap: Tap, point: Point
) -> None:
    job = apply(story, racks)
    job.wait_phase("Running")
    insist(job.worker(), 5)
    with crash(story, tap, point):
        job.suspend()
        job.wait_condition("Suspended", "True", "Suspended")
        assert not [pod for pod in job.pods() if pod.live]
        job.resume()
        again = job.wait_phase("Running", attempt=2)

    assert again.restored_from is not None
    assert again.restored_from["epoch"] == 5
    ends_well(job, attempt=2)


@pytest.mark.parametrize("point", END, ids=str)
def test_deletion_completes_after_crash(story: Story, racks: Racks, tap: Tap, point: Point) -> None:
    job = apply(story, racks, MORE_RANKS)
    job.wait_phase("Running")
    with crash(story, tap, point):
        ends_well(job)
        job.delete()
        job.wait_gone()
