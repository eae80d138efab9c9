"""The verdict when the faults are over: every job has ended as it should, and nothing happens any more.

The recorder's checks judge each write; these judge what is left.
"""

from collections import Counter
from collections.abc import Iterator, MutableMapping
from typing import Any

from stargate_operator.kube.errors import ApiError
from stargate_operator.runtime.leader_election import LeaseLost, NotLeading
from stargate_operator.runtime.watchdog import Unhealthy
from tests.kit.cluster.jobs import JobStory
from tests.kit.recorder.history import Job, Position, place, position
from tests.simulation.world import World

Line = MutableMapping[str, Any]

QUIET_SECONDS = 120.0
"""For which no operator writes anything about the jobs once all have ended."""
SLOWEST_SECONDS = 600.0
"""From the end of the faults to the end of the last job, beside the training itself: the longest
back-off (300 s), a node that is noticed, given up and avoided, gangs that wait for each other."""
EXPECTED = (ApiError, NotLeading, LeaseLost, Unhealthy)
"""A process may end because of them."""
SWALLOWED = ("an effect failed", "check failed", "a report could not be handled")
"""Log lines of an error that the operator did not expect."""


def time_to_end(world: World) -> float:
    training = sum(job.length * (world.plan.epoch_seconds + 1.0) for job in world.plan.jobs)
    return SLOWEST_SECONDS + 3 * training


def all_have_ended(world: World) -> bool:
    """Those that are deleted some time after their end are gone, too."""
    jobs = (world.job(story) for story in world.jobs)
    return all(job is None or _has_ended(job) for job in jobs)


def _has_ended(job: Job) -> bool:
    stays = "ttlSecondsAfterFinished" not in job.spec
    return job.finished and stays and not job.deleting


def unfinished(world: World) -> Iterator[str]:
    for story in world.jobs:
        job = world.job(story)
        if job is not None and not _has_ended(job):
            yield (
                f"{story.name} has not ended {time_to_end(world):g} s after the last fault:"
                f" {job.phase or 'no phase'} attempt {job.attempt}"
                f"{' deleting' if job.deleting else ''}"
            )


def wrong_ends(world: World) -> Iterator[str]:
    for story in world.jobs:
        job = world.job(story)
        if job is None:
            yield from _left_of_a_deleted_job(world, story)
        else:
            yield from _wrong_end(world, job, _end_of(world, story))


def _end_of(world: World, story: JobStory) -> Position:
    [job] = [job for job in world.plan.jobs if job.name == story.name]
    return job.epochs, -1 if job.steps is None else job.steps


def _wrong_end(world: World, job: Job, end: Position) -> Iterator[str]:
    newest = job.newest_complete
    live = [pod.name for pod in world.cluster.recorder.state.pods_of(job.uid) if pod.live]
    if live:
        yield f"{job.name} is {job.phase}, and {', '.join(live)} run on"
    if job.phase == "Succeeded" and (newest is None or position(newest) != end):
        reached = newest and place(newest)
        yield f"{job.name} Succeeded at {reached}, its end is {end}"
    if job.phase == "Failed" and not _may_fail(job):
        yield f"{job.name} Failed, though it may restart for ever: {job.status.get('conditions')}"


def _may_fail(job: Job) -> bool:
    few = (job.spec.get("restartPolicy") or {}).get("maxRestarts", 1000) < 1000
    return few or "activeDeadlineSeconds" in job.spec


def _left_of_a_deleted_job(world: World, story: JobStory) -> Iterator[str]:
    left = [pod.name for pod in world.cluster.recorder.state.pods_of(story.uid)]
    if left:
        yield f"{story.name} is deleted, and {', '.join(left)} are left"


def swallowed_errors(log: list[Line]) -> Iterator[str]:
    """Faults are expected; an exception that is no answer of the API server is a bug."""
    for line in log:
        error = line.get("exc_info")
        unexpected = isinstance(error, BaseException) and not isinstance(error, EXPECTED)
        if line["event"] in SWALLOWED or unexpected:
            yield f"the operator logged: {line['event']}: {line.get('error') or error!r}"


def too_many_requests(world: World) -> Iterator[str]:
    """In one second of virtual time, one replica: a few for each rank of all jobs, and some."""
    bound = 60 + 8 * sum(job.ranks for job in world.plan.jobs)
    each_second = Counter(
        (request.agent, int(request.began)) for request in world.cluster.recorder.requests()
    )
    for (agent, second), number in each_second.items():
        if number > bound:
            since = second - world.cluster.server.seconds + world.seconds
            yield f"{agent} asked {number} times in second {since:.0f}; {bound} would be many"
            return
