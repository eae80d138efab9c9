"""The verdict when the faults are over: every job has ended as it should, and nothing happens any more.

The recorder's checks judge each write; these judge what is left.
"""

from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from stargate_operator.kube.errors import ApiError
from stargate_operator.runtime.leader_election import LeaseLost, NotLeading
from stargate_operator.runtime.watchdog import Unhealthy
from tests.kit.cluster.jobs import JobStory
from tests.kit.recorder.history import Job, Pod, Position, place, position
from tests.simulation.moments import second_of
from tests.simulation.world import World

Line = MutableMapping[str, Any]

QUIET_SECONDS = 120.0
"""For which no operator writes anything about the jobs once all have ended."""
SLOWEST_SECONDS = 900.0
"""From the end of the faults to the end of the last job, beside the training itself: a node that lets no
pod run until it is repaired (300 s), the longest back-off (300 s), a node that is noticed, given up and
avoided, gangs that wait for each other."""
LATE_SECONDS = 15.0
"""By how much something that is due at a moment may be late while nothing goes wrong."""
EXPECTED = (ApiError, NotLeading, LeaseLost, Unhealthy)
"""A process may end because of them."""
SWALLOWED = ("an effect failed", "check failed", "a report could not be handled")
"""Log lines of an error that the operator did not expect."""


def time_to_end(world: World) -> float:
    epoch = world.plan.epoch_seconds + world.plan.save_seconds + 1.0
    training = sum(job.length * epoch for job in world.plan.jobs)
    hangs = sum(_report_timeout(story.now) for story in world.living)
    return SLOWEST_SECONDS + 3 * training + hangs


def _report_timeout(job: Job) -> float:
    return float((job.spec.get("hang") or {}).get("reportTimeoutSeconds") or 0.0)


def all_have_ended(world: World) -> bool:
    """Those that are deleted some time after their end are gone, too, with their pods."""
    for story in world.jobs:
        job = world.job(story)
        if not _has_ended(job) if job else world.cluster.recorder.state.pods_of(story.uid):
            return False
    return True


def _has_ended(job: Job) -> bool:
    stays = "ttlSecondsAfterFinished" not in job.spec
    return job.finished and stays and not job.deleting


def held_while_suspended(world: World) -> Iterator[str]:
    """Long after the last fault, and before the jobs are resumed."""
    for story in world.living:
        job, pods = story.now, world.pods(lambda pod, uid=story.uid: pod.owner == uid and pod.live)  # type: ignore[misc]
        stay = [pod.name for pod in pods if not pod.deleting]
        if job.spec.get("suspend") and stay:
            yield f"{story.name} is suspended, and {', '.join(stay)} run on"


def overdue(world: World) -> Iterator[str]:
    """A moment that a job's spec names has passed, and nothing has happened."""
    if world.happened["a clock is stepped"]:
        return
    for story in world.living:
        job = story.now
        due = _due(job)
        if _waits_in_vain(world, job):
            yield f"{story.name} waits for a node for a minute, and avoids one that is ready and free"
        if _is_held_up(world, job):
            yield f"{story.name} keeps its nodes past its start timeout, and a rank does not run"
        if (
            due is not None
            and not job.deleting
            and world.cluster.server.seconds > due + LATE_SECONDS
        ):
            yield f"{story.name} should have ended or been deleted {LATE_SECONDS:g} s ago"


def _waits_in_vain(world: World, job: Job) -> bool:
    """A gang that needs a node takes back one that it avoids, if that is ready again."""
    pods = [pod for pod in world.pods(_of(job)) if pod.live and not pod.deleting]
    held = {pod.node for pod in world.pods(lambda pod: pod.live)}
    free = [name for name in job.avoided_nodes if name not in held and world.is_ready(name)]
    waits = bool(free) and any(not pod.node for pod in pods) and not world.cluster.scheduler.stopped
    now = world.cluster.server.seconds
    since = world.waits_since.setdefault((job.uid, job.attempt), now) if waits else now
    if not waits:
        world.waits_since.pop((job.uid, job.attempt), None)
    return now - since > 60.0


def _is_held_up(world: World, job: Job) -> bool:
    """All its ranks have nodes, one does not come to run, and nothing has changed for too long."""
    pods = [pod for pod in world.pods(_of(job)) if pod.live and not pod.deleting]
    pending = any(pod.phase == "Pending" for pod in pods)
    if len(pods) < job.world_size or not pending or not all(pod.node for pod in pods):
        return False
    last = max(write.at for write in world.cluster.recorder.writes if write.pod in pods)
    return world.cluster.server.seconds > last + job.start_timeout + LATE_SECONDS


def _of(job: Job) -> Callable[[Pod], bool]:
    return lambda pod: (pod.owner, pod.attempt) == (job.uid, job.attempt)


def _due(job: Job) -> float | None:
    """When a finished job is to be deleted, or another one to fail."""
    if job.finished:
        return _later(job.status.get("completionTime"), job.spec.get("ttlSecondsAfterFinished"))
    if job.phase == "Suspended" or job.spec.get("suspend"):
        return None
    return _later(job.status.get("startTime"), job.spec.get("activeDeadlineSeconds"))


def _later(stamp: str | None, seconds: float | None) -> float | None:
    if stamp is None or seconds is None:
        return None
    return second_of(stamp) + seconds


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
            yield from _wrong_end(world, story, job)


def _end_of(world: World, story: JobStory) -> Position:
    [job] = [job for job in world.plan.jobs if job.name == story.name]
    return job.epochs, -1 if job.steps is None else job.steps


def _wrong_end(world: World, story: JobStory, job: Job) -> Iterator[str]:
    """The last checkpoint may be found damaged when the training is over."""
    newest, end = max(job.checkpoints, key=position, default=None), _end_of(world, story)
    live = [pod.name for pod in world.cluster.recorder.state.pods_of(job.uid) if pod.live]
    if live:
        yield f"{job.name} is {job.phase}, and {', '.join(live)} run on"
    if job.phase == "Succeeded" and (newest is None or position(newest) != end):
        reached = newest and place(newest)
        yield f"{job.name} Succeeded at {reached}, its end is {end}"
    if job.phase == "Failed" and not any(_may_fail(version) for version in story.history):
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
