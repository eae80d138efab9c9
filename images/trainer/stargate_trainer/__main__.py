"""`python -m stargate_trainer`: runs one rank, and says in its last line how it ended."""

import logging
import os
import sys
import traceback

import stargate_worker
from stargate_trainer.dataset import read
from stargate_trainer.exits import Exit, TrainerError, as_trainer_error
from stargate_trainer.settings import settings
from stargate_trainer.strategies import strategy

_log = logging.getLogger("stargate_trainer")


def main() -> None:
    rank = os.environ.get("STARGATE_RANK", "?")
    logging.basicConfig(level=logging.INFO, format=f"rank {rank}: %(message)s")
    logging.getLogger("torch").setLevel(logging.WARNING)
    try:
        _train()
    except SystemExit:  # worker.leave()
        _end(Exit.STOPPED)
    except Exception as error:
        _end(_tell(as_trainer_error(error), error))
    _end(Exit.DONE)


def _train() -> None:
    """Checks all settings before it imports torch, which takes seconds."""
    with stargate_worker.join() as worker:
        wanted = settings(os.environ)
        strategy(worker.optimization_strategy)
        dataset = read(worker.dataset_path)
        from stargate_trainer.run import run

        run(worker, wanted, dataset)


def _tell(told: TrainerError, error: Exception) -> Exit:
    if told.code is Exit.BROKEN and told is not error:
        traceback.print_exception(error)
    _log.error("%s", told)
    return told.code


def _end(code: Exit) -> None:
    """Exits at once: normally torch waits for ranks that are gone, and prints after our last line."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
