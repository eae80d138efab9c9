"""Judges the record of a whole run: what a simulated world knows and no recorder of a real cluster can.

The recorder's checks judge each write of any cluster. These also need the exact times of all that
happened, and one clock. They state the rules once more, in other words than the operator's code.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.kit.recorder.history import Job, Pod, Request, Write, position
from tests.simulation.moments import second_of
from tests.simulation.world import World

Json = dict[str, Any]

_SLACK_SECONDS = 2.0
_NODE_LOST_SECONDS = 30.0
_SHORTEST_SILENCE_SECONDS = 60.0
"""The shortest `reportTimeoutSeconds` of a simulated job."""

_NO_FAILURES = frozenset(
    {"StartTimeout", "Yielded", "Suspended", "Succeeded", "RuntimeChanged", "NodeReturned"}
)
_QUEUED = frozenset({"StartTimeout", "Yielded"})
"""What follows waits for room, and not for the end of a pause."""
_NOT_THE_JOBS_FAULT = _NO_FAILURES | {
    "NodeLost",
    "Evicted",
    "Preempted",
    "Rejected",
    "Deleted",
    "CheckpointDamaged",
    "DeadlineExceeded",
}


def violations(world: World) -> Iterator[str]:
    yield from dict.fromkeys(world.trainer.broken_promises)
    yield from _nodes_given_up_too_early(world)
    for story in world.jobs:
        versions = [write for write in world.cluster.recorder.writes if write.uid == story.uid]
        yield from _miscounted_failures(versions)
        yield from _late_checkpoints(versions)
        if not world.clocks_differ and not world.happened["a clock is stepped"]:
            yield from _restarts_without_a_pause(world, story.uid)
            yield from _hangs_that_were_none(world, versions)
            yield from _deleted_before_its_time(world, versions)
            yield from _past_its_deadline(versions)


def _statuses(versions: list[Write]) -> Iterator[tuple[Write, Job, Job]]:
    """Each change of the status: the write, the job before and the job after it."""
    for before, after in pairwise(versions):
        if after.verb != "DELETED" and before.job and after.job and after.job.status:
            yield after, before.job, after.job


def _miscounted_failures(versions: list[Write]) -> Iterator[str]:
    """A failure counts once, until there is a newer checkpoint."""
    for _, before, after in _statuses(versions):
        said, was = _failures(after), _failures(before)
        right = max(0, (0 if _advanced(before, after) else was) + _revised(before, after))
        right += (new := _ended_now(before, after))
        if said != right:
            yield f"{after.name} counts {said} failures since its checkpoint, and it was {right}"
            return
        allowed = (after.spec.get("restartPolicy") or {}).get("maxRestarts")
        if new and allowed is not None and (said > allowed) != (after.phase == "Failed"):
            yield f"{after.name} is {after.phase} after {said} failures; {allowed} are allowed"
            return


def _failures(job: Job) -> int:
    return int(job.status.get("failuresSinceCheckpoint") or 0)


def _advanced(before: Job, after: Job) -> bool:
    old, new = before.newest_complete, after.newest_complete
    return new is not None and (old is None or position(new) > position(old))


def _counts(attempt: Json) -> bool:
    return bool(attempt.get("end")) and attempt.get("cause") not in _NOT_THE_JOBS_FAULT


def _revised(before: Job, after: Job) -> int:
    """Attempts that had ended already, and whose cause is another one now."""
    known = {each["number"]: each for each in before.attempts if each.get("end")}
    return sum(
        _counts(each) - _counts(known[each["number"]])
        for each in after.attempts
        if each["number"] in known
    )


def _ended_now(before: Job, after: Job) -> int:
    known = {each["number"] for each in before.attempts if each.get("end")}
    return sum(_counts(each) for each in after.attempts if each["number"] not in known)


def _late_checkpoints(versions: list[Write]) -> Iterator[str]:
    """No attempt writes a checkpoint once the next one has begun."""
    for _, before, after in _statuses(versions):
        known = {saved["uri"] for saved in before.checkpoints}
        for saved in after.checkpoints:
            late = saved["state"] == "Complete" and saved.get("attempt", 0) < before.attempt
            if late and saved["uri"] not in known:
                yield f"{saved['uri']} was taken in attempt {before.attempt} of {after.name}"
                return


def _restarts_without_a_pause(world: World, uid: str) -> Iterator[str]:
    """Failures that repeat without a newer checkpoint wait 10, 20, 40 … 300 s."""
    job: Job | None = None
    for write in world.cluster.recorder.writes:
        if write.uid == uid:
            job = write.job
        pod = write.pod
        if pod is None or job is None or write.verb != "ADDED" or pod.owner != uid:
            continue
        due = _may_start_at(job, pod)
        if due is not None and write.at < due - _SLACK_SECONDS:
            yield f"{pod.name} was created {due - write.at:.0f} s before the end of the job's pause"
            return


def _may_start_at(job: Job, pod: Pod) -> float | None:
    before = next((each for each in job.attempts if each["number"] == pod.attempt - 1), None)
    if before is None or not before.get("end") or before["cause"] in _QUEUED:
        return None
    newest = job.newest_complete
    since = newest.get("attempt", 0) if newest else 0
    in_vain = sum(
        bool(each.get("end"))
        and each["cause"] not in _NO_FAILURES | {"CheckpointDamaged"}
        and each["number"] >= since
        for each in job.attempts
    )
    failures = max(in_vain, _failures(job))
    pause = min(300.0, 10.0 * 2.0 ** (failures - 2)) if failures > 1 else 0.0
    return second_of(before["end"]) + pause


def _hangs_that_were_none(world: World, versions: list[Write]) -> Iterator[str]:
    """Only silence is a hang, and a worker whose report was taken is not silent."""
    for write, before, after in _statuses(versions):
        known = {each["number"] for each in before.attempts if each.get("end")}
        for each in after.attempts:
            heard = world.trainer.heard_until(after.uid, each["number"], write.at)
            if each.get("cause") != "Hang" or each["number"] in known or heard is None:
                continue
            if write.at - heard < _SHORTEST_SILENCE_SECONDS - _SLACK_SECONDS:
                yield f"{after.name} is said to hang, and reported {write.at - heard:.0f} s before"
                return


def _deleted_before_its_time(world: World, versions: list[Write]) -> Iterator[str]:
    """The operator deletes a job only when its time to live is over."""
    last = next((write for write in reversed(versions) if write.job), None)
    if last is None or last.verb != "DELETED" or last.job is None:
        return
    job, asked = last.job, _deletes(world, last)
    if asked is None:
        return
    seconds, ended = job.spec.get("ttlSecondsAfterFinished"), job.status.get("completionTime")
    if seconds is None or ended is None or not job.finished:
        yield f"{job.name} was deleted by the operator, and is {job.phase} and has no time to live"
    elif asked.began < second_of(ended) + seconds - _SLACK_SECONDS:
        yield f"{job.name} was deleted by the operator before {seconds} s after its end"


def _past_its_deadline(versions: list[Write]) -> Iterator[str]:
    """Whoever writes a status when the deadline is over writes that the job has ended."""
    for write, before, after in _statuses(versions):
        start, limit = before.status.get("startTime"), before.spec.get("activeDeadlineSeconds")
        if start is None or limit is None or before.spec.get("suspend"):
            continue
        over = write.at > second_of(start) + limit + _SLACK_SECONDS
        same = after.status == before.status or after.status.get("startTime") != start
        if over and not same and not after.finished and after.phase != "Suspended":
            yield f"{after.name} is {after.phase} past its deadline"
            return


def _deletes(world: World, last: Write) -> Request | None:
    """The operator's request that deleted the job, if it was one."""
    for request in world.cluster.recorder.requests():
        deletes = (request.verb, request.resource) == ("delete", "stargatejobs")
        done = deletes and request.code < 300 and abs(request.ended - last.at) < 0.001
        if done and request.name == last.name:
            return request
    return None


def _nodes_given_up_too_early(world: World) -> Iterator[str]:
    """A pod is deleted without grace only when its node was not ready for half a minute."""
    nodes = _nodes_of_pods(world)
    for request in world.cluster.recorder.requests():
        if (request.verb, request.resource, request.grace) != ("delete", "pods", 0):
            continue
        named = [node for at, node in nodes.get(request.name, ()) if at <= request.began]
        if not named:
            continue
        since = world.unready_since.get(named[-1], float("inf"))
        if request.began - since < _NODE_LOST_SECONDS - _SLACK_SECONDS:
            yield (
                f"{request.name} was given up with {named[-1]}, which was never not ready for"
                f" {_NODE_LOST_SECONDS:g} s"
            )
            return


def _nodes_of_pods(world: World) -> dict[str, list[tuple[float, str]]]:
    """By a pod's name: the nodes of the pods of that name, and since when."""
    found: dict[str, list[tuple[float, str]]] = {}
    for write in world.cluster.recorder.writes:
        if write.pod and write.pod.node:
            known = found.setdefault(write.name, [])
            if not known or known[-1][1] != write.pod.node:
                known.append((write.at, write.pod.node))
    return found
