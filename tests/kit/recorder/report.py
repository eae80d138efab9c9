"""A readable report of each breach: the invariant, the time, and the writes around it."""

from collections.abc import Iterator

from tests.kit.recorder.checks import Breach
from tests.kit.recorder.history import History, Job, Pod, Write, place

_BEFORE, _AFTER = 12, 4
_SHOWN = 10


def report(history: History, breaches: list[Breach]) -> str:
    shown = breaches[:_SHOWN]
    more = [f"… and {len(breaches) - _SHOWN} more"] if len(breaches) > _SHOWN else []
    return "\n\n".join([*("\n".join(_lines(history, breach)) for breach in shown), *more])


def _lines(history: History, breach: Breach) -> Iterator[str]:
    start = history.writes[0].at if history.writes else breach.at
    name = f"invariant {breach.invariant}" if breach.invariant else "the recorder"
    yield f"{name}: {breach.what}"
    for write in _around(history, breach):
        mark = ">" if write is breach.write or _same(write, breach.write) else " "
        yield f"  {mark} {describe(write, start)}"


def _same(write: Write, other: Write | None) -> bool:
    return other is not None and (write.version, write.kind) == (other.version, other.kind)


def _around(history: History, breach: Breach) -> list[Write]:
    writes = history.of_job(breach.job_uid) if breach.job_uid else history.writes
    if breach.write is not None:
        index = next((i for i, w in enumerate(writes) if _same(w, breach.write)), len(writes))
    else:
        moments = [history.acting(write.at) for write in writes]
        index = sum(moment <= breach.at for moment in moments)
    return writes[max(0, index - _BEFORE) : index + _AFTER]


def describe(write: Write, start: float = 0.0) -> str:
    head = f"{write.version} {write.at - start:+8.3f} s {write.verb:8} {write.kind} {write.name}"
    if write.pod:
        return f"{head}: {_pod(write.pod)}"
    if write.job:
        return f"{head}: {_job(write.job)}"
    if write.kind == "Event":
        return f"{head}: {write.object.get('reason')}: {write.object.get('message')}"
    return head


def _pod(pod: Pod) -> str:
    return " ".join(
        [
            f"attempt {pod.attempt} rank {pod.rank} {pod.phase}",
            *([pod.node] if pod.node else []),
            *(["ready"] if pod.ready else []),
            *([_deleting(pod)] if pod.deleting else []),
        ]
    )


def _deleting(pod: Pod) -> str:
    meta = pod.raw["metadata"]
    return f"deleting at {meta['deletionTimestamp']} (grace {meta['deletionGracePeriodSeconds']} s)"


def _job(job: Job) -> str:
    workers = "/".join(
        str(job.workers.get(name, 0))
        for name in ("desired", "created", "scheduled", "running", "ready", "succeeded", "failed")
    )
    newest = job.newest_complete
    conditions = ", ".join(
        f"{condition['type']}={condition['status']}:{condition['reason']}"
        for condition in job.status.get("conditions") or []
    )
    return (
        f"{job.phase or '(no status)'} attempt {job.attempt} restarts {job.restarts}"
        f" workers {workers} checkpoint {newest and place(newest)}"
        f"{' deleting' if job.deleting else ''} [{conditions}]"
    )
