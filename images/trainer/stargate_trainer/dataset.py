"""The text of a training, and its order. Pure, except for reading two files.

A data set is a folder with `train.txt` and `validation.txt` (or the same names with `.gz`): any
bytes, no tokenizer. The order of an epoch is a function of seed and epoch alone, so a training
that is resumed anywhere sees what it would have seen.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from random import Random

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Dataset:
    train: bytes
    validation: bytes


def read(path: str) -> Dataset:
    folder = Path(path)
    if not folder.is_dir():
        raise _unusable(path, "there is no such folder")
    return Dataset(_text(folder, "train.txt"), _text(folder, "validation.txt"))


def _text(folder: Path, name: str) -> bytes:
    for file, opened in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
        if not file.exists():
            continue
        try:
            with opened(file, "rb") as stream:
                return bytes(stream.read())
        except (OSError, EOFError) as error:
            raise _unusable(str(file), f"it cannot be read: {error}") from None
    raise _unusable(str(folder), f"it holds neither {name} nor {name}.gz")


def windows(text: bytes, context: int) -> int:
    """The number of windows of `context` bytes in the text, each with the byte after it."""
    return max(0, (len(text) - 1) // context)


def need_window(validation: bytes, context: int) -> bytes:
    """The text, if it has at least one window."""
    if windows(validation, context):
        return validation
    raise TrainerError(
        Exit.MISCONFIGURED,
        f"the validation text has {len(validation)} bytes, too few for one window of"
        f" TRAINER_CONTEXT {context} and the byte after it",
    )


@dataclass(frozen=True)
class Schedule:
    """The windows of each rank at each step of each epoch; the remainder is left out."""

    seed: int
    windows: int
    batch_size: int
    world_size: int

    @property
    def steps(self) -> int:
        return self.windows // (self.batch_size * self.world_size)

    def checked(self) -> "Schedule":
        if self.steps == 0:
            raise TrainerError(
                Exit.MISCONFIGURED,
                f"the training text has {self.windows} windows, fewer than one step of"
                f" {self.world_size} ranks x TRAINER_BATCH_SIZE {self.batch_size} takes",
            )
        return self

    def order(self, epoch: int) -> list[int]:
        order = list(range(self.windows))
        Random(f"{self.seed}/{epoch}").shuffle(order)
        return order

    def batch(self, order: list[int], step: int, rank: int) -> list[int]:
        first = (step * self.world_size + rank) * self.batch_size
        return order[first : first + self.batch_size]


def _unusable(path: str, why: str) -> TrainerError:
    return TrainerError(Exit.DATASET_UNUSABLE, f"spec.datasetPath: {path}: {why}")
