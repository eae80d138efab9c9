"""A plan is data: the phase that the job should have, and why.

It holds only what changes the job's life: its phase, the end of an attempt, the start of the next. The
status is written from it first. The objects to create or delete then follow from that status
(`decide/effects.py`), so a crash in between loses nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from stargate_types.status import Cause, Phase

UNCOUNTED = frozenset(
    {
        Cause.NODE_LOST,
        Cause.EVICTED,
        Cause.PREEMPTED,
        Cause.REJECTED,
        Cause.DELETED,
        Cause.CHECKPOINT_DAMAGED,
        Cause.RUNTIME_CHANGED,
        Cause.NODE_RETURNED,
        Cause.START_TIMEOUT,
        Cause.YIELDED,
        Cause.SUSPENDED,
        Cause.SUCCEEDED,
        Cause.DEADLINE_EXCEEDED,
    }
)
"""Causes that are not the training's fault: `maxRestarts` does not bound them."""

NOT_FAILURES = frozenset(
    {
        Cause.START_TIMEOUT,
        Cause.YIELDED,
        Cause.SUSPENDED,
        Cause.SUCCEEDED,
        Cause.RUNTIME_CHANGED,
        Cause.NODE_RETURNED,
    }
)
"""Causes that lose no training: `status.restarts` does not count them."""

AVOID_NODE = frozenset({Cause.REJECTED, Cause.START_TIMEOUT})
"""Causes after which the next attempts avoid the node of the ending, because it would do the same again.
A lost node is avoided too."""


@dataclass(frozen=True)
class Ending:
    """How the current attempt ended. `rank`, `node`, `exit_code` and `log` (the last lines) belong
    to the first rank that failed. `log` is apart from `message`, because only the attempt may show
    log lines."""

    cause: Cause
    at: datetime
    message: str = ""
    log: str = ""
    rank: int | None = None
    node: str | None = None
    exit_code: int | None = None

    @property
    def counted(self) -> bool:
        return self.cause not in UNCOUNTED

    @property
    def failure(self) -> bool:
        return self.cause not in NOT_FAILURES


@dataclass(frozen=True)
class Plan:
    """The decision of a pass, made by the first policy that has one. `message` becomes the message of a
    condition, so it holds no numbers that change with every pod."""

    phase: Phase
    reason: str
    message: str = ""
    ending: Ending | None = None
    next_attempt: bool = False
    resolve: bool = False
    """Record the runtime and class that the current attempt's pods are made from."""
    delete_job: bool = False
    wake_at: datetime | None = None
