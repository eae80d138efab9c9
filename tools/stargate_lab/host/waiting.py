"""Waiting for a condition, at most so long: the time runs from the call, by a clock that is passed in.

A limit is never counted from the moment in which an object was made: what happens before the wait
(building the binaries takes minutes on a fresh machine) is not part of it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Clock:
    """A test passes in its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL_TIME = Clock()


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    *,
    pause: float = PAUSE_SECONDS,
    clock: Clock = REAL_TIME,
) -> bool:
    """Whether the condition came true in time; it is asked at least once."""
    started = clock.now()
    while not condition():
        if clock.now() - started > seconds:
            return False
        clock.sleep(pause)
    return True


class Stall:
    """How long nothing has changed: from the first look on, not from the making of this object."""

    def __init__(self, clock: Clock = REAL_TIME) -> None:
        self._clock = clock
        self._seen: object = None
        self._since: float | None = None

    def seconds(self, seen: object) -> float:
        """Since `seen` became what it is now."""
        now = self._clock.now()
        if self._since is None or seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since
