"""The checkpoints of a job, and which of them an attempt may resume from.

An attempt resumes only from a Complete checkpoint. A Damaged checkpoint stays in the list, so that it
is never taken for complete again. The order is that of positions in the training, never of times:
leaders report the times, and their clocks differ.

See docs/decisions/0049-position-is-epoch-and-step.md.
"""

from collections.abc import Iterable

from stargate_operator.model.reports import CheckpointReport
from stargate_types import StargateJob
from stargate_types.position import Position
from stargate_types.status import MAX_CHECKPOINTS, Checkpoint, Checkpoints, RestoredFrom


def record(
    standing: Checkpoints | None, reports: Iterable[CheckpointReport], *, retain: int
) -> Checkpoints | None:
    """The checkpoints after these reports. The oldest report comes first."""
    found = standing
    # Damage first: a checkpoint that is damaged must not make an older one leave the list.
    for report in sorted(reports, key=lambda report: report.state != "Damaged"):
        found = _add(found or Checkpoints(), report, retain)
    return found


def complete(checkpoints: Checkpoints | None) -> list[Checkpoint]:
    """The checkpoints that an attempt may resume from, the newest first."""
    history = checkpoints.history if checkpoints else []
    return [checkpoint for checkpoint in history if checkpoint.state == "Complete"]


def advanced(before: Checkpoints | None, after: Checkpoints | None) -> bool:
    """True if `after` has a newer complete checkpoint than `before`."""
    old, new = complete(before), complete(after)
    return bool(new) and (not old or new[0].position > old[0].position)


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
        return RestoredFrom(epoch=usable[0].epoch, step=usable[0].step, uri=usable[0].uri)
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
    """What the list says of a URI stays, unless the checkpoint there turns out to be damaged."""
    entry = _entry(report)
    if report.state == "Damaged":
        return _mark_damaged(standing, entry)
    if any(checkpoint.uri == entry.uri for checkpoint in standing.history):
        return standing
    latest = _latest(standing.latest, entry)
    if report.state == "Writing":
        return standing.model_copy(update={"latest": latest})
    history = _trimmed([entry, *standing.history], retain)
    return standing.model_copy(update={"latest": latest, "history": history})


def _latest(before: Checkpoint | None, entry: Checkpoint) -> Checkpoint:
    """A late report of an older checkpoint does not count. A later attempt may be at an older
    position."""
    if before is None:
        return entry
    if entry.state == "Writing" and entry.uri == before.uri:
        return before
    newer = (entry.attempt, entry.position) >= (before.attempt, before.position)
    return entry if newer else before


def _entry(report: CheckpointReport) -> Checkpoint:
    return Checkpoint(
        epoch=report.position.epoch,
        step=report.position.step,
        uri=report.uri,
        time=report.at,
        size_bytes=report.size_bytes,
        state=report.state,
        attempt=report.attempt,
    )


def _mark_damaged(standing: Checkpoints, entry: Checkpoint) -> Checkpoints:
    marked = [_damaged(checkpoint, entry.uri) for checkpoint in standing.history]
    if all(checkpoint.uri != entry.uri for checkpoint in marked):
        marked = _trimmed([entry, *marked], MAX_CHECKPOINTS)
    latest = standing.latest and _damaged(standing.latest, entry.uri)
    return standing.model_copy(update={"history": marked, "latest": latest})


def _damaged(checkpoint: Checkpoint, uri: str) -> Checkpoint:
    if checkpoint.uri != uri:
        return checkpoint
    return checkpoint.model_copy(update={"state": "Damaged"})


def _trimmed(history: list[Checkpoint], retain: int) -> list[Checkpoint]:
    """The newest ones. Damaged ones get only the room that complete ones leave."""
    ordered = _newest_first(history)
    usable = [checkpoint for checkpoint in ordered if checkpoint.state == "Complete"][:retain]
    damaged = [checkpoint for checkpoint in ordered if checkpoint.state == "Damaged"][
        : MAX_CHECKPOINTS - len(usable)
    ]
    return _newest_first([*usable, *damaged])


def _newest_first(history: list[Checkpoint]) -> list[Checkpoint]:
    """Of two that an attempt wrote at one position, the one in front was reported last and stays in
    front: the sort is stable."""
    return sorted(history, key=_order, reverse=True)


def _order(checkpoint: Checkpoint) -> tuple[Position, int]:
    return checkpoint.position, checkpoint.attempt
