"""Keeps since when this process could receive every worker's report. Silence before that says nothing.

The time starts again when the process begins to lead, when it could take nobody's report, and after the
process was stopped or its clock was set: reports of that time may still be on their way.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

_PERIOD = 0.5
_STOOD_STILL = 2.0
"""Seconds by which a look may be late, or by which the clock may differ from the monotonic clock."""


class ListeningSince:
    """The time since when silence counts. `clock` is UTC; `monotonic` is in seconds and is never set."""

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
        """Counts silence from now on: reports may have been lost until now."""
        self._since = self._clock()

    def _look(self) -> None:
        before, now = self._looked, (self._clock(), self._monotonic())
        self._looked = now
        passed, ticked = (now[0] - before[0]).total_seconds(), now[1] - before[1]
        if ticked > _STOOD_STILL or abs(passed - ticked) > _STOOD_STILL:
            self.begin()
