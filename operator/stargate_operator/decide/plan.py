"""A plan is data: what should be so of the job, and why.

It says only what changes the job's life (its phase, the end of an attempt, the start of the next).
The status is written from it first; what must then be created or deleted follows from that status
(`decide/effects.py`), so that a crash in between loses nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from stargate_types.status import Cause, Phase

UNCOUNTED = frozenset(
    {
        Cause.NODE_LOST,
        Cause.EVICTED,
        Cause.PREEMPTED,
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
"""Causes after which nothing was lost: `status.restarts` does not count them."""


@dataclass(frozen=True)
class Ending:
    """How the current attempt ended. `rank`, `node`, `exit_code` and `log` (its last lines) are its
    first failed rank's. Log lines stand in the attempt's message alone, hence apart."""

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
    """What the first policy that spoke wants. `message` holds no numbers that move with every pod:
    it comes to stand in conditions."""

    phase: Phase
    reason: str
    message: str = ""
    ending: Ending | None = None
    next_attempt: bool = False
    resolve: bool = False
    """Record the runtime and class that the current attempt's pods are made from."""
    delete_job: bool = False
    wake_at: datetime | None = None
