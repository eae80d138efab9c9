"""A training process as its author writes it, for tests that need one; it learns nothing.

    python training.py EPOCH_SECONDS [alone] [EPOCH=SECONDS]

The last says which epoch's shard takes how long to write. Its ranks keep step through files, as real
ones do through a collective: one that lost another stands still. Ranks that are `alone` do not wait
for each other. What it does it tells on its standard output, a line each.
"""

import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import stargate_worker

STEPS = 100


@dataclass
class Lockstep:
    """The collective: every rank says at each step whether it is to stop, and hears the others."""

    folder: Path
    rank: int
    world_size: int

    def any_rank(self, step: int, told: bool) -> bool:
        self._word(step, self.rank).write_text(str(int(told)))
        words = [self._hear(step, rank) for rank in range(self.world_size)]
        return any(words)

    def _hear(self, step: int, rank: int) -> bool:
        while not (word := self._said(step, rank)):
            time.sleep(0.01)
        return word == "1"

    def _said(self, step: int, rank: int) -> str:
        word = self._word(step, rank)
        return word.read_text() if word.exists() else ""

    def _word(self, step: int, rank: int) -> Path:
        return self.folder / f"step-{step}-rank-{rank}"


def main(epoch_seconds: float, *, alone: bool, slow: dict[int, float]) -> None:
    logging.basicConfig(level=logging.INFO)
    with stargate_worker.join() as worker:
        shard = worker.load()
        say(f"from {worker.epochs_to_train.start - 1} with {shard.read() if shard else b''!r}")
        gang = Lockstep(folder(worker), worker.rank, worker.world_size)
        for epoch in worker.epochs_to_train:
            time.sleep(epoch_seconds)
            worker.report(epoch=epoch, step=epoch * STEPS, metrics={"loss": 1 / epoch})
            leaving = worker.stopping if alone else gang.any_rank(epoch, worker.stopping)
            if leaving or worker.save_due(epoch):
                content = f"epoch {epoch} of rank {worker.rank}".encode()
                worker.save(epoch, writer(content, slow.get(epoch, 0.0)))
            if leaving:
                say(f"leaving after {epoch}")
                worker.leave()
        say("done")


def folder(worker: stargate_worker.Worker) -> Path:
    found = Path(worker.checkpoint_path.removeprefix("file://")) / "lockstep"
    found.mkdir(parents=True, exist_ok=True)
    return found


def writer(content: bytes, seconds: float) -> stargate_worker.Writer:
    def write(file: BinaryIO) -> None:
        file.write(content[:5])
        time.sleep(seconds)
        file.write(content[5:])

    return write


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    seconds, *rest = sys.argv[1:]
    slow = [each.split("=") for each in rest if "=" in each]
    main(float(seconds), alone="alone" in rest, slow={int(e): float(s) for e, s in slow})
