"""All or nothing, by the operator alone: two gangs of 60 on 100 machines, one of 60 on 40.

This API server has no PodGroups. What is expected of the operator: of two gangs that cannot both be
whole one gives back within seconds, and none stays partly scheduled past its start timeout; a gang
that gave back holds nothing, says that it is queued, and runs as soon as it can.
"""

import time

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


def test_of_two_gangs_at_once_one_yields_within_seconds_and_both_finish(
    story: Story, racks: Racks
) -> None:
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


def test_a_gang_that_comes_later_yields_within_seconds_and_runs_when_the_other_is_deleted(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=100)
    first = story.apply("first", MANY, acceleratorType=rack)
    first.wait_phase("Running")
    second = story.apply("second", MANY, acceleratorType=rack)
    assert "job " + story.namespace + "/first" in str(
        wait_queued_with_nothing(second).attempts[0]["message"]
    )

    first.oom_kill(5)
    assert first.wait_phase("Running", attempt=2).restarts == 1
    assert second.now.attempt == 2, "it took the nodes of a gang that was only restarting"
    first.delete()

    second.wait_phase("Running", seconds=SOON)
    second.finish()
    second.wait_phase("Succeeded")


def test_a_gang_that_waits_finds_out_what_was_freed_while_no_operator_ran(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=6)
    first = story.apply("first", 4, acceleratorType=rack)
    first.wait_phase("Running")
    second = story.apply("second", 4, acceleratorType=rack)
    wait_queued_with_nothing(second)

    with story.recorder.interrupted():
        story.operator.kill()
        first.finish()
        story.operator.start()

    assert second.wait_phase("Running", seconds=SOON).attempt == 2


def test_gangs_on_other_machines_do_not_yield_to_each_other(story: Story, racks: Racks) -> None:
    here, there = racks.build(nodes=2), racks.build(nodes=2)
    first = story.apply("first", 2, acceleratorType=here)
    first.wait_phase("Running")
    second = story.apply("second", 3, acceleratorType=there)
    second.wait(lambda job: job.workers.get("scheduled") == 2, "two of its three nodes")

    time.sleep(2)
    assert second.now.attempt == 1
    racks.add(there, 1)

    assert second.wait_phase("Running").attempt == 1


def test_a_gang_gives_back_at_its_start_timeout_and_runs_once_there_are_machines(
    story: Story, racks: Racks
) -> None:
    timeout = 3
    rack = racks.build(nodes=40)
    job = story.apply(
        "large", MANY, acceleratorType=rack, scheduling={"startTimeoutSeconds": timeout}
    )

    queued = wait_queued_with_nothing(job)
    assert cause(queued) == "StartTimeout"
    assert f"startTimeoutSeconds, {timeout} s" in str(queued.attempts[0]["message"])
    again = job.wait(lambda job: job.workers.get("scheduled") == 40, "another try", SOON)
    assert again.attempt == 2
    wait_queued_with_nothing(job)
    racks.add(rack, 20)

    running = job.wait_phase("Running", seconds=2 * SOON)
    assert running.restarts == 0
    job.finish()
    job.wait_phase("Succeeded")
