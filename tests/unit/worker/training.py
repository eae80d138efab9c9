"""A training process as its author writes it, for tests that need a process of its own.

    python training.py EPOCH_SECONDS

It tells what it does on its standard output, a line each.
"""

import logging
import sys
import time

import stargate_worker


def main(epoch_seconds: float) -> None:
    logging.basicConfig(level=logging.INFO)
    with stargate_worker.join() as worker:
        shard = worker.load()
        state = shard.read().decode() if shard else "begun"
        say(f"from {worker.epochs_to_train.start - 1} with {state}")
        for epoch in worker.epochs_to_train:
            time.sleep(epoch_seconds)
            worker.report(epoch=epoch, step=epoch * 100, metrics={"loss": 1 / epoch})
            leaving = worker.stopping
            if leaving or worker.save_due(epoch):
                worker.save(epoch, f"epoch {epoch} of rank {worker.rank}".encode())
            if leaving:
                say(f"leaving after {epoch}")
                worker.leave()
        say("done")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
