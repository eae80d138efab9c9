"""The operator alone keeps gangs whole: two gangs of 60 contend for 100 nodes.

This API server has no PodGroups. When two gangs cannot both be whole, one yields within seconds. A gang
that yielded has no pods, is Queued, and runs as soon as there are nodes for it.
"""

from tests.faults.gangs import held
from tests.kit.racks import Racks
from tests.kit.recorder.history import Job, State
from tests.kit.story import JobStory, Story

MANY = 60
SOON = 15.0
"""Seconds to bind 160 pods and delete 40 of them, with the kubelet's grace period, on busy cores."""


def wait_queued_with_nothing(job: JobStory, seconds: float = SOON) -> Job:
    def waits(state: State) -> Job | None:
        found = state.job(job.uid)
        empty = not any(pod.live for pod in state.pods_of(job.uid))
        return found if found and found.phase == "Queued" and empty else None

    found: Job = job.story.wait(waits, f"{job.name} queued with no pod", seconds)
    return found


def cause(job: Job, attempt: int = 1) -> object:
    return next(each for each in job.attempts if each["number"] == attempt)["cause"]


def wait_one_whole(story: Story, one: JobStory, other: JobStory) -> tuple[JobStory, JobStory]:
    """The gang that has all its nodes first, and the other one."""

    def whole(state: State) -> JobStory | None:
        return next((job for job in (one, other) if held(state, job.uid) == MANY), None)

    first: JobStory = story.wait(whole, "one gang with all its nodes", SOON)
    return (one, other) if first is one else (other, one)


def test_one_of_two_contending_gangs_yields_within_seconds(story: Story, racks: Racks) -> None:
    rack = racks.build(nodes=100)
    jobs = [story.apply(name, MANY, acceleratorType=rack) for name in ("older", "younger")]

    first, second = wait_one_whole(story, *jobs)
    queued = wait_queued_with_nothing(second)
    assert cause(queued) == "Yielded"
    assert queued.restarts == 0
    assert first.wait_phase("Running").attempt == 1
    story.recorder.assert_quiet(2)

    first.finish()
    first.wait_phase("Succeeded")
    assert second.wait_phase("Running", seconds=SOON).attempt == 2
    second.finish()
    second.wait_phase("Succeeded")
