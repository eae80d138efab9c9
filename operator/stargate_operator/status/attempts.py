"""The attempts in the status: how one begins, runs and ends, and how a provisional cause is revised."""

from dataclasses import dataclass
from datetime import datetime

from stargate_operator.decide.causes import cause_of
from stargate_operator.decide.culprit import first_failure, precedes
from stargate_operator.decide.plan import NOT_FAILURES, Ending
from stargate_operator.model.blueprint import Blueprint
from stargate_operator.model.gang import PreviousPods
from stargate_operator.model.pod import Pod
from stargate_operator.model.ranks import interval_string
from stargate_operator.status.size_limit import shortened
from stargate_types.status import MAX_ATTEMPTS, AttemptStatus, Cause, RestoredFrom

_LATEST_MESSAGE_BYTES = 1000
_OLDER_MESSAGE_BYTES = 256
_CERTAIN = NOT_FAILURES | {Cause.CHECKPOINT_DAMAGED}
"""Causes that stay, whatever else is found out about the pods."""
_ECHOES = frozenset({Cause.EXIT, Cause.SIGNAL, Cause.HANG})
"""Causes that may only follow from the loss of a node."""
_NODES_NAMED = 3
_SUCCEEDED_INTERVALS = 80
"""More are not remembered. Ranks end together, so there are few at any time."""
_GIVEN_UP = "given up with a lost node"


def begun(attempts: list[AttemptStatus], *, now: datetime, world_size: int) -> list[AttemptStatus]:
    number = attempts[-1].number + 1 if attempts else 1
    started = AttemptStatus(number=number, start=now, world_size=world_size)
    return _trimmed([*attempts, started])


def resolved(
    attempt: AttemptStatus, blueprint: Blueprint, point: RestoredFrom | None
) -> AttemptStatus:
    return attempt.model_copy(
        update={
            "runtime": blueprint.runtime_id,
            "accelerator_class": blueprint.class_id,
            "block": blueprint.block_id,
            "domain": blueprint.domain,
            "restored_epoch": point.epoch if point else None,
            "restored_step": point.step if point else None,
        }
    )


def ended(attempt: AttemptStatus, ending: Ending, lost: float) -> AttemptStatus:
    return attempt.model_copy(
        update={
            "end": ending.at,
            "cause": ending.cause,
            "rank": ending.rank,
            "node": ending.node,
            "exit_code": ending.exit_code,
            "message": shortened(_told(ending), _LATEST_MESSAGE_BYTES) or None,
            "lost_seconds": lost,
            "succeeded_ranks": None,
        }
    )


def with_succeeded(attempt: AttemptStatus, ranks: frozenset[int]) -> AttemptStatus:
    """The running attempt, with the ranks that have succeeded: their pods may go before it ends."""
    told = interval_string(ranks, at_most=_SUCCEEDED_INTERVALS).partition(" ")[0] or None
    if told == attempt.succeeded_ranks:
        return attempt
    return attempt.model_copy(update={"succeeded_ranks": told})


def with_more_lost(attempt: AttemptStatus, seconds: float) -> AttemptStatus:
    if not seconds:
        return attempt
    lost = max(0.0, (attempt.lost_seconds or 0.0) + seconds)
    return attempt.model_copy(update={"lost_seconds": round(lost, 3)})


def _told(ending: Ending) -> str:
    return f"{ending.message}: {ending.log}" if ending.log else ending.message


@dataclass(frozen=True)
class Revision:
    """An attempt with another cause than was written. `counted` is the change of the counted
    failures."""

    attempt: AttemptStatus
    counted: int


def revised(attempt: AttemptStatus, previous_pods: PreviousPods, now: datetime) -> Revision | None:
    """The attempt with a better cause: its last pods may show an earlier or graver failure than
    was known."""
    if attempt.cause is None or attempt.cause in _CERTAIN or attempt.end is None:
        return None
    known = Ending(attempt.cause, attempt.end, exit_code=attempt.exit_code)
    candidates = [pod for pod in previous_pods.failed if _may_be_first(pod, attempt)]
    better = first_failure(candidates, now)
    if better is None or not precedes(better, known):
        return None
    changed = ended(attempt, better, attempt.lost_seconds or 0.0)
    return Revision(changed, counted=better.counted - known.counted)


def lost_with_node(attempt: AttemptStatus, pods: list[Pod]) -> Revision | None:
    """The attempt with the loss of a node as its cause. `pods` are on lost nodes: the other ranks failed
    because of it."""
    # See docs/decisions/0022-an-exit-is-revised-to-a-lost-node.md.
    lost = [pod for pod in pods if pod.attempt == attempt.number]
    if not lost or attempt.cause not in _ECHOES or attempt.end is None:
        return None
    known, first = Ending(attempt.cause, attempt.end), min(lost, key=lambda pod: pod.rank)
    message = f"rank {first.rank} was lost with its node {first.node}"
    seen = f"{attempt.cause} was seen first: {attempt.message or 'nothing more is known'}"
    better = Ending(
        Cause.NODE_LOST, attempt.end, f"{message}; {seen}", rank=first.rank, node=first.node
    )
    changed = ended(attempt, better, attempt.lost_seconds or 0.0)
    return Revision(changed, counted=better.counted - known.counted)


def with_given_up(attempt: AttemptStatus, pods: list[Pod]) -> AttemptStatus:
    """The ended attempt, with a note on its pods that cannot be stopped because their nodes are lost."""
    said_so = _GIVEN_UP in (attempt.message or "") or attempt.cause is Cause.NODE_LOST
    if not pods or said_so:
        return attempt
    ranks = interval_string(pod.rank for pod in pods)
    nodes = ", ".join(sorted({pod.node for pod in pods})[:_NODES_NAMED])
    who = f"rank {ranks} was" if len(pods) == 1 else f"ranks {ranks} were"
    note = f"{who} {_GIVEN_UP} ({nodes})"
    told = f"{attempt.message}; {note}" if attempt.message else note
    return attempt.model_copy(update={"message": shortened(told, _LATEST_MESSAGE_BYTES)})


def _may_be_first(pod: Pod, attempt: AttemptStatus) -> bool:
    """A pod that our own restart ended is no culprit, unless its status says something else."""
    if pod.attempt != attempt.number or pod.terminated is None:
        return False
    return not pod.deleting or cause_of(pod) is not Cause.DELETED


def _trimmed(attempts: list[AttemptStatus]) -> list[AttemptStatus]:
    """The newest attempts. Only the last one that ended keeps its log lines in full."""
    kept = attempts[-MAX_ATTEMPTS:]
    older = [_with_short_message(attempt) for attempt in kept[:-2]]
    return [*older, *kept[-2:]]


def _with_short_message(attempt: AttemptStatus) -> AttemptStatus:
    if not attempt.message:
        return attempt
    short = shortened(attempt.message, _OLDER_MESSAGE_BYTES)
    return attempt.model_copy(update={"message": short})
