"""The reports of a job's workers, as values: between the report server and the status."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from stargate_operator.model.heartbeats import Heartbeats

CheckpointState = Literal["Writing", "Complete", "Damaged"]


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """One report of a rank. `epoch` and `step` count what is completed."""

    attempt: int
    rank: int
    epoch: int | None
    step: int | None
    metrics: tuple[tuple[str, float], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """A checkpoint at `epoch` completed epochs, written by `attempt`."""

    attempt: int
    epoch: int
    uri: str
    size_bytes: int | None
    state: CheckpointState
    at: datetime

    @property
    def key(self) -> tuple[int, str, str]:
        """Two reports of a checkpoint with the same key are the same report."""
        return self.epoch, self.uri, self.state


@dataclass(frozen=True, slots=True)
class Reports:
    """A job's reports that are not in its status yet, and its speed.

    `epoch_seconds` is seconds per epoch in the current attempt, None before it is known; `heartbeats` is
    its ranks' signs of life, live.
    """

    progress: ProgressReport | None = None
    checkpoints: tuple[CheckpointReport, ...] = ()
    epoch_seconds: float | None = None
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
