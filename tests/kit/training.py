"""A training process for tests. It trains no model, but uses the worker library as a real trainer does.

    python training.py EPOCH_SECONDS [alone] [EPOCH=SECONDS]

EPOCH=SECONDS sets how long the shard of that epoch takes to write. The ranks synchronize through files
instead of a collective: a rank that lost a peer stands still. With `alone`, ranks do not wait for each
other. The process prints one line for each thing it does.
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
    """A collective: at each step every rank tells the other ranks whether it must stop."""

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
    slow = [argument.split("=") for argument in rest if "=" in argument]
    main(float(seconds), alone="alone" in rest, slow={int(e): float(s) for e, s in slow})
