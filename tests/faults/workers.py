"""A worker repeats its report until an operator acknowledges it."""

import time

from tests.kit.story import PATIENCE
from tests.kit.worker import Worker

_TAKEN = 200
_ALREADY_SO = "AlreadyComplete"


def insist(worker: Worker, epoch: int, seconds: float = PATIENCE) -> None:
    """Report a complete checkpoint until the operator acknowledges it."""
    until = time.monotonic() + seconds
    while not _acknowledged(worker, epoch):
        assert time.monotonic() < until, f"checkpoint {epoch} not acknowledged within {seconds:g} s"
        time.sleep(0.1)


def _acknowledged(worker: Worker, epoch: int) -> bool:
    try:
        answer = worker.saves(epoch)
    except OSError:
        return False
    return answer.status == _TAKEN or answer.body.get("reason") == _ALREADY_SO
