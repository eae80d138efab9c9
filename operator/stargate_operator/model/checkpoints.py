"""The checkpoints of a job, and which of them an attempt may resume from.

An attempt resumes only from a Complete checkpoint. A Damaged checkpoint stays in the list, so that it
is never taken for complete again.
"""

from collections.abc import Iterable

from stargate_operator.model.reports import CheckpointReport
from stargate_types import StargateJob
from stargate_types.status import MAX_CHECKPOINTS, Checkpoint, Checkpoints, RestoredFrom


def record(
    standing: Checkpoints | None, reports: Iterable[CheckpointReport], *, retain: int
) -> Checkpoints | None:
    """The checkpoints after these reports. The oldest report comes first."""
    found = standing
    for report in reports:
        found = _add(found or Checkpoints(), report, retain)
    return found


def complete(checkpoints: Checkpoints | None) -> list[Checkpoint]:
    """The checkpoints that an attempt may resume from, the newest first."""
    history = checkpoints.history if checkpoints else []
    return [checkpoint for checkpoint in history if checkpoint.state == "Complete"]


def advanced(before: Checkpoints | None, after: Checkpoints | None) -> bool:
    """True if `after` has a newer complete checkpoint than `before`."""
    old, new = complete(before), complete(after)
    return bool(new) and (not old or new[0].epoch > old[0].epoch)


def without_unfinished(checkpoints: Checkpoints | None) -> Checkpoints | None:
    """The checkpoints without one that is still Writing: its attempt is over, so nobody finishes it."""
    if checkpoints is None or checkpoints.latest is None or checkpoints.latest.state != "Writing":
        return checkpoints
    newest = checkpoints.history[0] if checkpoints.history else None
    return checkpoints.model_copy(update={"latest": newest})


def resume_point(job: StargateJob, checkpoints: Checkpoints | None) -> RestoredFrom | None:
    """The start of the next attempt: the newest complete checkpoint, else the warm start, else None."""
    usable = complete(checkpoints)
    if usable:
        return RestoredFrom(epoch=usable[0].epoch, uri=usable[0].uri)
    warm = job.spec.checkpoint.restore_from
    return RestoredFrom(uri=warm) if warm else None


def begun(
    checkpoints: Checkpoints | None, *, folder: str, point: RestoredFrom | None
) -> Checkpoints:
    """An attempt that starts from `point` will write to `folder`."""
    changes = {"folder": folder, "restored_from": point}
    return (checkpoints or Checkpoints()).model_copy(update=changes)


def dropped(before: Checkpoints | None, after: Checkpoints | None) -> tuple[str, ...]:
    """The URIs that `after` no longer keeps. The workers may delete them."""
    kept = {checkpoint.uri for checkpoint in (after.history if after else ())}
    return tuple(
        checkpoint.uri
        for checkpoint in (before.history if before else ())
        if checkpoint.uri not in kept
    )


def _add(standing: Checkpoints, report: CheckpointReport, retain: int) -> Checkpoints:
    entry = _entry(report)
    if any(
        checkpoint.uri == entry.uri and checkpoint.state == "Damaged"
        for checkpoint in standing.history
    ):
        return standing
    if report.state == "Damaged":
        return _mark_damaged(standing, entry)
    latest = _latest(standing.latest, entry)
    if report.state == "Writing":
        return standing.model_copy(update={"latest": latest})
    others = [checkpoint for checkpoint in standing.history if checkpoint.uri != entry.uri]
    history = _trimmed([entry, *others], retain)
    return standing.model_copy(update={"latest": latest, "history": history})


def _latest(before: Checkpoint | None, entry: Checkpoint) -> Checkpoint:
    """A late report of an older checkpoint does not count. A later attempt may be at an older epoch."""
    if before is None or (entry.attempt, entry.epoch) >= (before.attempt, before.epoch):
        return entry
    return before


def _entry(report: CheckpointReport) -> Checkpoint:
    return Checkpoint(
        epoch=report.epoch,
        uri=report.uri,
        time=report.at,
        size_bytes=report.size_bytes,
        state=report.state,
        attempt=report.attempt,
    )


def _mark_damaged(standing: Checkpoints, entry: Checkpoint) -> Checkpoints:
    marked = [
        checkpoint.model_copy(update={"state": "Damaged"})
        if checkpoint.uri == entry.uri
        else checkpoint
        for checkpoint in standing.history
    ]
    if all(checkpoint.uri != entry.uri for checkpoint in marked):
        marked = _newest_first([entry, *marked])[:MAX_CHECKPOINTS]
    latest = standing.latest
    if latest is not None and latest.uri == entry.uri:
        latest = latest.model_copy(update={"state": "Damaged"})
    return standing.model_copy(update={"history": marked, "latest": latest})


def _trimmed(history: list[Checkpoint], retain: int) -> list[Checkpoint]:
    ordered = _newest_first(history)
    usable = [checkpoint for checkpoint in ordered if checkpoint.state == "Complete"][:retain]
    damaged = [checkpoint for checkpoint in ordered if checkpoint.state == "Damaged"][
        : MAX_CHECKPOINTS - len(usable)
    ]
    return _newest_first([*usable, *damaged])


def _newest_first(history: list[Checkpoint]) -> list[Checkpoint]:
    return sorted(history, key=lambda checkpoint: (checkpoint.epoch, checkpoint.time), reverse=True)
