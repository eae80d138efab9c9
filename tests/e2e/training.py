"""The trainings. Each fault is tested with every training and must not change its result."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stargate_lab.host.paths import REPO
from tests.kit.recorder.history import Json

SABOTEUR = ["python3", "/storage/programs/saboteur.py"]


@dataclass(frozen=True)
class Training:
    """`result` reads the ranks' final state from a job's checkpoint folder. `provide` copies the data
    set to the shared folder."""

    name: str
    program: list[str]
    result: Callable[[Path], Any]
    provide: Callable[[Path], None]
    env: dict[str, str] = field(default_factory=dict)
    dataset: str = "stargate_storage://datasets/none"
    epochs: int = 12
    interval: int = 2

    def __str__(self) -> str:
        return self.name

    def spec(self, ranks: int) -> Json:
        return {
            "epochs": self.epochs,
            "checkpointIntervalEpochs": self.interval,
            "datasetPath": self.dataset,
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


def _chains(checkpoints: Path) -> dict[int, str]:
    """The final hash of each rank."""
    found = sorted(checkpoints.glob("result-*.json"))
    ranks = {int(file.stem.partition("-")[2]): json.loads(file.read_text()) for file in found}
    return {rank: each["state"] for rank, each in sorted(ranks.items())}


def _weights(checkpoints: Path) -> str:
    """The digest of the final weights, which all ranks share."""
    found = list(checkpoints.glob("attempt-*/weights.json"))
    assert len(found) == 1, f"the weights of {len(found)} attempts: {found}"
    return str(json.loads(found[0].read_text())["sha256"])


def _nothing(storage: Path) -> None:
    del storage


def _text(storage: Path) -> None:
    shutil.copytree(_DATA, storage / "datasets" / _DATA.name, dirs_exist_ok=True)


_DATA = REPO / "images" / "trainer" / "data" / "stargate-text"

PLAIN = Training(
    "plain",
    ["/storage/programs/plain.py"],
    result=_chains,
    provide=_nothing,
    env={"PYTHONUNBUFFERED": "1", "PLAIN_EPOCH_SECONDS": "1"},
)
PYTORCH = Training(
    "PyTorch",
    ["-m", "stargate_trainer"],
    result=_weights,
    provide=_text,
    env={"TRAINER_BATCH_SIZE": "32", "TRAINER_STEP_SECONDS": "0.1"},
    dataset=f"stargate_storage://datasets/{_DATA.name}",
    epochs=8,
)
TRAININGS = (PLAIN, PYTORCH)
