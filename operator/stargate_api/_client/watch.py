"""Calls that last: watching a job, waiting for a state, reading a rank's log.

A watch goes on after everything that ends a watch: a timeout, a broken connection, an expired
resourceVersion, a restart of the API server. It reads the job again and opens the next watch; it
never polls.
"""

import json
import math
from dataclasses import replace
from typing import Any

from stargate_api._client.api_errors import error_of
from stargate_api._client.calls import ROOT, Calls
from stargate_api._client.retry import open_stream
from stargate_api._client.steps import (
    Answer,
    Call,
    Emit,
    Failure,
    Json,
    Pause,
    Read,
    Request,
    Stream,
)
from stargate_api.errors import InvalidConfig, NotFound, Problem, Timeout, Unreachable
from stargate_api.job_status import JobStatus
from stargate_types.status import Phase

WATCH_SECONDS = 240
"""Length of one watch in seconds. It is bounded so that a dead connection is noticed."""
_READ_MARGIN_SECONDS = 15.0
_PAUSE_SECONDS = 0.2
"""Pause between two watches, for a server that ends each of them at once."""
_WORKER_CONTAINER = "worker"


def watch(calls: Calls, job_id: str, timeout: float | None) -> Call[None]:
    """Emits the job now, and again after each change of its status or spec, until it finishes.

    Raises NotFound where the job is deleted, and Timeout after `timeout` seconds.
    """
    until = math.inf if timeout is None else calls.retry_policy.clock() + timeout
    seen: Json | None = None
    while True:
        patient_calls = _outlasting_restarts(calls, until)
        found = yield from patient_calls.status(job_id)
        _same_job(seen, found)
        if _differs(seen, found.manifest):
            yield Emit(found)
        if found.finished:
            return
        stream = yield from _open(patient_calls, found, until)
        try:
            done, seen = yield from _follow(stream, found.manifest)
        finally:
            stream.close()
        if done:
            return
        if calls.retry_policy.clock() >= until:
            state = JobStatus(seen).state
            raise Timeout(f"{found.job_id} is {state} after {timeout:g} s of waiting; it goes on")
        yield Pause(_PAUSE_SECONDS)


def wait(calls: Calls, job_id: str, state: str | None, timeout: float | None) -> Call[JobStatus]:
    """Returns the first status of a watch in that state, or the last one where the job finishes.

    Raises InvalidConfig for an unknown state, and the errors of `watch`.
    """
    wanted = _phase(state)
    watching = watch(calls, job_id, timeout)
    outcome: Any = None
    try:
        while True:
            step = watching.send(outcome)
            if isinstance(step, Emit):
                found: JobStatus = step.value
                if found.finished or found.phase is wanted:
                    return found
                outcome = None
            else:
                outcome = yield step
    finally:
        watching.close()


def logs(
    calls: Calls,
    job_id: str,
    rank: int,
    *,
    attempt: int | None = None,
    follow: bool = False,
    tail: int | None = None,
) -> Call[None]:
    """Emits the lines of one rank's log, of the current attempt by default.

    Raises InvalidConfig for a rank that the job does not have, and NotFound where no pod holds the
    log.
    """
    found = yield from calls.status(job_id)
    number = found.attempt if attempt is None else attempt
    pod = f"{found.name}-{number}-{_checked_rank(rank, found)}"
    query = {"container": _WORKER_CONTAINER, "follow": str(follow).lower()}
    if tail is not None:
        query["tailLines"] = str(tail)
    path = f"/api/v1/namespaces/{found.namespace}/pods/{pod}/log"
    retry_policy = calls.retry_policy.with_one_retry()
    request = Request("GET", path, query=query, timeout=3600.0 if follow else retry_policy.timeout)
    stream = yield from open_stream(request, retry_policy)
    if isinstance(stream, Answer):
        raise _no_log(stream, found, pod)
    try:
        while isinstance(line := (yield Read(stream)), bytes):
            yield Emit(line.decode(errors="replace").removesuffix("\n"))
        if isinstance(line, Failure):
            raise Unreachable(f"{line.message}; the log goes on: read it again")
    finally:
        stream.close()


def _open(calls: Calls, found: JobStatus, until: float) -> Call[Stream]:
    left = until - calls.retry_policy.clock()
    seconds = max(1, math.ceil(min(WATCH_SECONDS, left)))
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={found.name}",
        "resourceVersion": found.job.metadata.resource_version,
        "timeoutSeconds": str(seconds),
    }
    path = f"{ROOT}/namespaces/{found.namespace}/stargatejobs"
    request = Request("GET", path, query=query, timeout=seconds + _READ_MARGIN_SECONDS)
    stream = yield from open_stream(request, calls.retry_policy)
    if isinstance(stream, Answer):
        raise error_of(stream)
    return stream


def _follow(stream: Stream, seen: Json) -> Call[tuple[bool, Json]]:
    """Reads one watch to its end. Returns whether the job has finished, and its last manifest."""
    while True:
        line: bytes | Failure | None = yield Read(stream)
        event = _event(line)
        if event is None:
            return False, seen
        if event["type"] == "DELETED":
            raise _deleted(JobStatus(event["object"]).job_id)
        if _differs(seen, event["object"]):
            seen = event["object"]
            found = JobStatus(seen)
            yield Emit(found)
            if found.finished:
                return True, seen


def _event(line: bytes | Failure | None) -> Json | None:
    """The event in a line. None where the watch is over: its end, a failure, an ERROR, half a line."""
    if not isinstance(line, bytes):
        return None
    try:
        event: Json = json.loads(line)
    except ValueError:
        return None
    return None if event.get("type") == "ERROR" else event


def _differs(seen: Json | None, now: Json) -> bool:
    return seen is None or any(seen.get(part) != now.get(part) for part in ("spec", "status"))


def _outlasting_restarts(calls: Calls, until: float) -> Calls:
    """The calls with a policy that outlasts a restart of the API server, but not `until`."""
    retry_policy = calls.retry_policy.outlasting_restarts()
    left = max(until - retry_policy.clock(), 1.0)
    return replace(
        calls, retry_policy=replace(retry_policy, timeout=min(retry_policy.timeout, left))
    )


def _same_job(seen: Json | None, found: JobStatus) -> None:
    """Another job may have the name now; the event of the deletion fell between two watches."""
    if seen is not None and seen["metadata"]["uid"] != found.job.uid:
        raise _deleted(found.job_id)


def _deleted(job_id: str) -> NotFound:
    return NotFound(f"{job_id} was deleted while it was watched")


def _phase(state: str | None) -> Phase | None:
    if state is None:
        return None
    if state not in set(Phase):
        must = f"it must be one of {', '.join(Phase)}; it is {state!r}"
        raise InvalidConfig([Problem("", must)], "the state to wait for")
    return Phase(state)


def _checked_rank(rank: int, found: JobStatus) -> int:
    if not 0 <= rank < found.nodes:
        must = f"it must be 0 to {found.nodes - 1}, the ranks of {found.job_id}; it is {rank}"
        raise InvalidConfig([Problem("", must)], "the rank")
    return rank


def _no_log(answer: Answer, found: JobStatus, pod: str) -> Exception:
    if answer.status != 404:
        return error_of(answer)
    numbers = (attempt.number for attempt in found.attempts)
    others = [str(number) for number in numbers if number != found.attempt]
    earlier = f" Earlier attempts: {', '.join(others)}." if others else ""
    return NotFound(
        f"there is no pod {pod}: {found.job_id} is {found.state}, in attempt {found.attempt}. A pod"
        f" exists while its gang runs; after a failed attempt only the failed pods remain.{earlier}"
    )
