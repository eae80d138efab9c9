"""Finds the failed rank that ended an attempt, and the cause.

One dead rank makes the others crash, so the rank that finished first is the culprit. A container's
finishedAt has whole seconds: within one second the graver cause wins, because it explains the others. A
worker that exits with 75 says that another rank failed before it.
"""

import signal
from collections.abc import Iterable
from datetime import UTC, datetime

from stargate_operator.constants import PEER_LOST_EXIT_CODE
from stargate_operator.decide.causes import cause_of
from stargate_operator.decide.plan import Ending
from stargate_operator.model.pod import Pod
from stargate_types.status import Cause

_GRAVITY = (
    Cause.NODE_LOST,
    Cause.OOM_KILLED,
    Cause.LIMIT_EXCEEDED,
    Cause.PREEMPTED,
    Cause.EVICTED,
    Cause.REJECTED,
    Cause.NOT_SUPPORTED,
    Cause.CANNOT_START,
    Cause.DELETED,
    Cause.SIGNAL,
    Cause.EXIT,
)


def gravity(cause: Cause) -> int:
    """Lower is graver."""
    return _GRAVITY.index(cause) if cause in _GRAVITY else len(_GRAVITY)


def explains_itself(cause: Cause) -> bool:
    """True if the cause is certain at once: no other rank's failure can have caused it."""
    return cause not in (Cause.SIGNAL, Cause.EXIT)


def first_failure(pods: Iterable[Pod], now: datetime) -> Ending | None:
    """How the attempt ended, by the first of these pods to fail. None if there are no pods."""
    latest = now.timestamp()
    first = min(pods, key=lambda pod: _order(pod, latest), default=None)
    return _ending(first, now) if first else None


def _order(pod: Pod, latest: float) -> tuple[bool, int, int, int]:
    cause, ended = cause_of(pod), pod.terminated
    finished = (ended and ended.finished_at) or latest
    echo = _is_echo(cause, ended.exit_code if ended else None)
    return (echo, int(min(latest, finished)), gravity(cause), pod.rank)


def precedes(one: Ending, other: Ending) -> bool:
    """True if `one` explains `other`: the other is an echo, was later, or is less grave in the same
    second."""
    return _rank_of(one) < _rank_of(other)


def _rank_of(ending: Ending) -> tuple[bool, int, int]:
    echo = _is_echo(ending.cause, ending.exit_code)
    return (echo, int(ending.at.timestamp()), gravity(ending.cause))


def _is_echo(cause: Cause, exit_code: int | None) -> bool:
    """The worker itself says that another one failed first. That counts more than the clocks of
    the nodes."""
    return cause is Cause.EXIT and exit_code == PEER_LOST_EXIT_CODE


def finished_at(pod: Pod, now: datetime) -> datetime:
    if pod.terminated is None or not pod.terminated.finished_at:
        return now
    return min(now, datetime.fromtimestamp(pod.terminated.finished_at, UTC))


def _ending(pod: Pod, now: datetime) -> Ending:
    cause, said = cause_of(pod), pod.terminated.message.strip() if pod.terminated else ""
    kubelet_s = cause is Cause.CANNOT_START
    message = _message(pod, cause)
    return Ending(
        cause=cause,
        at=finished_at(pod, now),
        message=f"{message}: {said}" if kubelet_s else message,
        log="" if kubelet_s else said,
        rank=pod.rank,
        node=pod.node or None,
        exit_code=pod.terminated.exit_code if pod.terminated else None,
    )


def _message(pod: Pod, cause: Cause) -> str:
    where = f" on {pod.node}" if pod.node else ""
    said = pod.status_message.strip()
    head = f"{_who(pod)}rank {pod.rank}{where} {_what(pod, cause)}"
    return f"{head}: {said}" if said else head


def _who(pod: Pod) -> str:
    """Names an init container that has failed, because the worker never ran then."""
    init = pod.terminated.init_container if pod.terminated else ""
    return f"init container {init} of " if init else ""


def _what(pod: Pod, cause: Cause) -> str:
    ended = pod.terminated
    words = {
        Cause.NODE_LOST: "was lost with its node",
        Cause.PREEMPTED: "was preempted",
        Cause.EVICTED: "was evicted",
        Cause.LIMIT_EXCEEDED: "exceeded its own storage limit and was evicted",
        Cause.REJECTED: f"was rejected by its node ({pod.status_reason or 'no reason given'})",
        Cause.NOT_SUPPORTED: f"is not supported by its node ({pod.status_reason})",
        Cause.DELETED: "was deleted by someone else",
    }
    if ended is None or cause in words:
        return words.get(cause, "failed")
    if cause is Cause.OOM_KILLED:
        return f"ran out of memory and was killed (exit {ended.exit_code})"
    if cause is Cause.CANNOT_START:
        return f"could not start its container (exit {ended.exit_code})"
    if cause is Cause.SIGNAL:
        return f"was killed by {_signal_name(ended.signal or ended.exit_code - 128)}" + (
            f" (exit {ended.exit_code})"
        )
    return f"exited with {ended.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
