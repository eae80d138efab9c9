"""Waits with a time limit. The limit starts with the call, by a clock that is passed in.

A limit never starts when an object is made: preparations before the wait are not part of it. On a fresh
machine, building the binaries takes minutes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Clock:
    """A source of time; a test passes in its own."""

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
    """True if the condition became true in time. It is checked at least once."""
    started = clock.now()
    while not condition():
        if clock.now() - started > seconds:
            return False
        clock.sleep(pause)
    return True


class Stall:
    """Measures how long a value has not changed, from the first check on."""

    def __init__(self, clock: Clock = REAL_TIME) -> None:
        self._clock = clock
        self._seen: object = None
        self._since: float | None = None

    def seconds(self, seen: object) -> float:
        """Seconds since the value became `seen`."""
        now = self._clock.now()
        if self._since is None or seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since
