"""What is trained: each fault is tried on every kind of training, and the end must be the same."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.programs.plain import trained
from tests.recorder.history import Json

SABOTEUR = ["python3", "/storage/programs/saboteur.py"]


@dataclass(frozen=True)
class Training:
    """`result` reads from a job's checkpoint folder what its ranks ended with; `expected` is what an
    undisturbed run of so many ranks ends with; `provide` puts the data set into the shared folder."""

    name: str
    program: list[str]
    result: Callable[[Path], Any]
    expected: Callable[[int], Any]
    provide: Callable[[Path], None]
    env: dict[str, str] = field(default_factory=dict)
    epochs: int = 12
    interval: int = 2

    def spec(self, ranks: int) -> Json:
        return {
            "epochs": self.epochs,
            "checkpointIntervalEpochs": self.interval,
            "resourceAllocation": {
                "nodes": ranks,
                "gpuEquivalentsPerNode": 8,
                "memoryGbPerNode": 1,
            },
            "template": self.template(),
        }

    def template(self, **env: str) -> Json:
        entries = [{"name": n, "value": v} for n, v in (self.env | env).items()]
        return {"command": [*SABOTEUR, *self.program], "env": entries}


def _results(checkpoints: Path) -> dict[int, str]:
    found = sorted(checkpoints.glob("result-*.json"))
    ranks = {int(file.stem.partition("-")[2]): json.loads(file.read_text()) for file in found}
    return {rank: each["state"] for rank, each in sorted(ranks.items())}


def _nothing(storage: Path) -> None:
    del storage


PLAIN_EPOCHS = 12
PLAIN = Training(
    "plain",
    ["/storage/programs/plain.py"],
    result=_results,
    expected=lambda ranks: {rank: trained(rank, PLAIN_EPOCHS) for rank in range(ranks)},
    provide=_nothing,
    env={"PYTHONUNBUFFERED": "1", "PLAIN_EPOCH_SECONDS": "1"},
    epochs=PLAIN_EPOCHS,
)
TRAININGS = (PLAIN,)
