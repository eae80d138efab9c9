"""What a worker does while its operator is away: it asks again."""

import time

from tests.kit.story import PATIENCE
from tests.kit.worker import Worker

_TAKEN = 200
_ALREADY_SO = "AlreadyComplete"


def insist(worker: Worker, epoch: int, seconds: float = PATIENCE) -> None:
    """Returns once the operator has said that the complete checkpoint stands."""
    until = time.monotonic() + seconds
    while not _acknowledged(worker, epoch):
        assert time.monotonic() < until, f"no word on checkpoint {epoch} for {seconds:g} s"
        time.sleep(0.1)


def _acknowledged(worker: Worker, epoch: int) -> bool:
    try:
        answer = worker.saves(epoch)
    except OSError:
        return False
    return answer.status == _TAKEN or answer.body.get("reason") == _ALREADY_SO
