"""The reports of a job's workers, as values: between the report server and the status."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from stargate_operator.model.heartbeats import Heartbeats
from stargate_types.position import Position

CheckpointState = Literal["Writing", "Complete", "Damaged"]


class CheckpointKey(NamedTuple):
    """What a report says of a checkpoint. Two reports with the same key are the same report.

    `position` is None for Damaged: damage is of the files at the URI, and the rank that finds it may
    know less of the position than the rank that wrote them.
    """

    position: Position | None
    uri: str
    state: CheckpointState

    @classmethod
    def of(cls, position: Position, uri: str, state: CheckpointState) -> "CheckpointKey":
        return cls(None if state == "Damaged" else position, uri, state)


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """One report of a rank. `epoch` and `step` count what is completed, `total_steps` what the trainer
    is going to do."""

    attempt: int
    rank: int
    epoch: int | None
    step: int | None
    metrics: tuple[tuple[str, float], ...]
    at: datetime
    total_steps: int | None = None


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """A checkpoint at a position of the training, written by `attempt`."""

    attempt: int
    position: Position
    uri: str
    size_bytes: int | None
    state: CheckpointState
    at: datetime

    @property
    def key(self) -> CheckpointKey:
        return CheckpointKey.of(self.position, self.uri, self.state)


@dataclass(frozen=True, slots=True)
class Reports:
    """A job's reports that are not in its status yet, and its speed.

    `epoch_seconds` and `step_seconds` are seconds for each epoch and step in the current attempt, None
    before they are known; `heartbeats` is its ranks' signs of life, live.
    """

    progress: ProgressReport | None = None
    checkpoints: tuple[CheckpointReport, ...] = ()
    epoch_seconds: float | None = None
    step_seconds: float | None = None
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
