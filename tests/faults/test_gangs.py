"""All or nothing, by the operator alone: two gangs of 60 on 100 machines, one of 60 on 40.

This API server has no PodGroups. What is expected of the operator: of two gangs that cannot both be
whole one gives back within seconds, and none stays partly scheduled past its start timeout; a gang
that gave back holds nothing, says that it is queued, and runs as soon as it can.
"""

from tests.faults.gangs import held
from tests.kit.racks import Racks
from tests.kit.recorder.history import Job, State
from tests.kit.story import JobStory, Story

MANY = 60
SOON = 15.0
"""Seconds to bind 160 pods and to take 40 of them back, with a kubelet's grace, on busy cores."""


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
    """Which of the two has all its nodes, and which has not."""

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
