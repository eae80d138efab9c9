"""Which pod events cannot wait for a routine pass.

Kept as two counts per attempt, updated in O(1) per event, because looking at the whole gang at each
of its events would cost the square of its size.
"""

from dataclasses import dataclass

from stargate_operator.pod import FAILED, RUNNING, SUCCEEDED, Pod


@dataclass
class _Counts:
    alive: int = 0
    up: int = 0


class Pulse:
    """`beat` takes one change of a job's pods and says whether a pass is due at once."""

    def __init__(self) -> None:
        self._attempts: dict[int, _Counts] = {}

    def beat(self, old: Pod | None, new: Pod | None, world_size: int) -> bool:
        attempt = _attempt(old, new)
        counts = self._attempts.setdefault(attempt, _Counts())
        before = (counts.alive, counts.up)
        counts.alive += _alive(new) - _alive(old)
        counts.up += _up(new) - _up(old)
        emptied = counts.alive == 0 and before[0] > 0
        filled = counts.up == world_size and before[1] != world_size
        return emptied or filled or _failed(old, new)


def _attempt(old: Pod | None, new: Pod | None) -> int:
    pod = new or old
    assert pod is not None
    return pod.attempt


def _alive(pod: Pod | None) -> bool:
    return pod is not None and pod.alive


def _up(pod: Pod | None) -> bool:
    return pod is not None and pod.phase in (RUNNING, SUCCEEDED)


def _failed(old: Pod | None, new: Pod | None) -> bool:
    """Of our own deletes' echoes none is urgent: the gang is being torn down already."""
    if new is None or new.phase != FAILED or (new.deleting and not new.disruption):
        return False
    return old is None or old.phase != FAILED
