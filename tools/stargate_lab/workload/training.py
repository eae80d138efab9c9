"""A simulated training: its parameters from the pod's environment, and its invented numbers.

Pure. Tokens, reports and exits, which are real, are in `trainer.py` and `kubelet.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

STEPS_PER_EPOCH = 100
_FAULT_PARTS = frozenset({"epoch", "rank", "attempt", "exit", "reason", "echoes"})


@dataclass(frozen=True)
class WorkerEnvironment:
    """The operator's instructions to the ranks of one attempt, from their environment."""

    report_url: str
    report_ca: str
    checkpoint_uri: str
    epochs: int
    checkpoint_interval: int
    world_size: int
    resume_epoch: int = 0
    image: str = ""

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> "WorkerEnvironment":
        container = pod["spec"]["containers"][0]
        env = {entry["name"]: entry.get("value", "") for entry in container["env"]}
        return cls(
            report_url=env["STARGATE_REPORT_URL"],
            report_ca=env["STARGATE_REPORT_CA"],
            checkpoint_uri=env["STARGATE_CHECKPOINT_URI"],
            epochs=int(env["STARGATE_EPOCHS"]),
            checkpoint_interval=int(env["STARGATE_CHECKPOINT_INTERVAL_EPOCHS"]),
            world_size=int(env["STARGATE_WORLD_SIZE"]),
            resume_epoch=int(env.get("STARGATE_RESUME_EPOCH") or 0),
            image=container["image"],
        )

    @property
    def epochs_to_train(self) -> range:
        return range(self.resume_epoch + 1, self.epochs + 1)

    def saves_after(self, epoch: int) -> bool:
        return epoch % self.checkpoint_interval == 0 or epoch == self.epochs

    def checkpoint(self, epoch: int, state: str, size_bytes: int) -> Json:
        uri = f"{self.checkpoint_uri}/epoch-{epoch}"
        return {"epoch": epoch, "uri": uri, "state": state, "sizeBytes": size_bytes}


@dataclass(frozen=True)
class Exit:
    """How a container ends; `reason` is the kubelet's: Completed, Error, OOMKilled."""

    code: int = 0
    reason: str = "Completed"

    @property
    def phase(self) -> str:
        return "Succeeded" if self.code == 0 else "Failed"


@dataclass(frozen=True)
class Fault:
    """A rank (modulo the number of ranks) dies once `epoch` epochs are completed in `attempt`.

    `echoes` more ranks crash a moment later, as ranks do that lose a member of their collective.
    """

    epoch: int
    rank: int
    attempt: int = 1
    exit: Exit = Exit(137, "Error")
    echoes: int = 0

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """`epoch=42,rank=1742`, and optionally attempt, exit, reason and echoes."""
        parts = dict(part.split("=", 1) for part in text.split(","))
        if unknown := parts.keys() - _FAULT_PARTS:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return cls(
            epoch=int(parts["epoch"]),
            rank=int(parts["rank"]),
            attempt=int(parts.get("attempt", 1)),
            exit=Exit(int(parts.get("exit", 137)), parts.get("reason", "Error")),
            echoes=int(parts.get("echoes", 0)),
        )

    def __str__(self) -> str:
        ending = f"exit={self.exit.code},reason={self.exit.reason},echoes={self.echoes}"
        return f"epoch={self.epoch},rank={self.rank},attempt={self.attempt},{ending}"

    def victim(self, world_size: int) -> int:
        return self.rank % world_size

    def bystanders(self, world_size: int) -> list[int]:
        """Ranks after the victim; rank 0 is among them only in the smallest gangs."""
        echoes = min(self.echoes, world_size - 1)
        return [(self.victim(world_size) + n) % world_size for n in range(1, echoes + 1)]


@dataclass(frozen=True)
class Behaviour:
    """How the trainers of this process behave; a test changes only the fields of its subject.

    `silent_after_epoch`: the gang hangs after this epoch; its pods keep running, without reports.
    `first_reports_per_second`: limits the first reports of a gang, whose ranks all start at once.
    """

    epoch_seconds: float = 1.0
    checkpoint_seconds: float = 0.2
    checkpoint_bytes: int = 2 * 1024**4
    first_reports_per_second: float = 100.0
    only_rank_zero_reports: bool = False
    silent_after_epoch: int | None = None
    faults: tuple[Fault, ...] = ()

    def fault(self, attempt: int, epoch: int) -> Fault | None:
        due = (f for f in self.faults if (f.attempt, f.epoch) == (attempt, epoch))
        return next(due, None)


def progress(epoch: int) -> Json:
    """Rank 0's report after an epoch."""
    metrics = [{"name": name, "value": value} for name, value in _metrics(epoch).items()]
    return {"epoch": epoch, "step": epoch * STEPS_PER_EPOCH, "metrics": metrics}


def _metrics(epoch: int) -> dict[str, float]:
    loss = 1.7 + 9.1 * math.exp(-epoch / 18)
    return {"loss": round(loss, 4), "learning_rate": round(3e-4 * math.exp(-epoch / 60), 8)}
