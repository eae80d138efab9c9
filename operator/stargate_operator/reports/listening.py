"""Since when this process could hear every worker: silence before that says nothing about them.

It counts anew from when the process comes to lead, from a moment at which it could take nobody's
report, and after it stood still or its clock was set: the reports of that time may still be on their
way.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

_PERIOD = 0.5
_STOOD_STILL = 2.0
"""Seconds by which a look may be late, or the clock may differ from the monotonic one."""


class ListeningSince:
    """`clock` gives the time in UTC, `monotonic` seconds that no one sets."""

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._since = clock()
        self._looked = clock(), monotonic()

    async def run(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(_PERIOD)

    @property
    def since(self) -> datetime:
        self._look()
        return self._since

    def begin(self) -> None:
        """From now on; whatever was not heard until now may have been said."""
        self._since = self._clock()

    def _look(self) -> None:
        before, now = self._looked, (self._clock(), self._monotonic())
        self._looked = now
        passed, ticked = (now[0] - before[0]).total_seconds(), now[1] - before[1]
        if ticked > _STOOD_STILL or abs(passed - ticked) > _STOOD_STILL:
            self.begin()
