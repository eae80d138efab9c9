"""The training text and the order in which it is learnt. Pure, except that it reads two files.

A data set is a folder with `train.txt` and `validation.txt` (or the same names with `.gz`): any bytes,
no tokenizer. The order of an epoch depends on seed and epoch alone, so a resumed training sees the
same data as one that was not interrupted.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from random import Random

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Dataset:
    """The bytes to learn from, and the bytes to validate with."""

    train: bytes
    validation: bytes


def read(path: str) -> Dataset:
    """Reads the data set in a folder. Raises TrainerError where it cannot."""
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
    """Number of windows of `context` bytes in the text, each with the byte that follows it."""
    return max(0, (len(text) - 1) // context)


def need_window(validation: bytes, context: int) -> bytes:
    """The validation text itself. Raises TrainerError where it has not even one window."""
    if windows(validation, context):
        return validation
    raise TrainerError(
        Exit.MISCONFIGURED,
        f"the validation text has {len(validation)} bytes, too few for one window of"
        f" TRAINER_CONTEXT {context} and the byte after it",
    )


@dataclass(frozen=True)
class Schedule:
    """The windows from which each rank learns at each step of each epoch.

    Windows that do not fill a whole step are left out.
    """

    seed: int
    windows: int
    batch_size: int
    world_size: int

    @property
    def steps(self) -> int:
        """Number of steps in an epoch."""
        return self.windows // (self.batch_size * self.world_size)

    def checked(self) -> "Schedule":
        """The schedule itself. Raises TrainerError where an epoch has no step."""
        if self.steps == 0:
            raise TrainerError(
                Exit.MISCONFIGURED,
                f"the training text has {self.windows} windows, fewer than one step of"
                f" {self.world_size} ranks x TRAINER_BATCH_SIZE {self.batch_size} takes",
            )
        return self

    def order(self, epoch: int) -> list[int]:
        """The numbers of all windows in the order of this epoch."""
        order = list(range(self.windows))
        Random(f"{self.seed}/{epoch}").shuffle(order)
        return order

    def batch(self, order: list[int], step: int, rank: int) -> list[int]:
        """The numbers of the `batch_size` windows of one rank at one step."""
        first = (step * self.world_size + rank) * self.batch_size
        return order[first : first + self.batch_size]


def _unusable(path: str, why: str) -> TrainerError:
    return TrainerError(Exit.DATASET_UNUSABLE, f"spec.datasetPath: {path}: {why}")
