"""When a job's next pass is due: level-triggered, coalesced, and patient under churn.

A thousand pod events a second must not cost a thousand passes. What cannot wait (a failure, a new
spec, the last pod of an old gang gone) is due at once; the rest within half a second of the pass
before.
"""

import asyncio
from collections.abc import Callable

ROUTINE_INTERVAL = 0.5


class Alarm:
    """`clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: float | None = None
        self._rung = asyncio.Event()
        self._last_pass = float("-inf")

    def now(self) -> None:
        self.at(self._clock())

    def soon(self) -> None:
        self.at(max(self._clock(), self._last_pass + ROUTINE_INTERVAL))

    def after(self, seconds: float) -> None:
        self.at(self._clock() + max(0.0, seconds))

    def at(self, moment: float) -> None:
        """The sooner of this and what was due before."""
        if self._due is None or moment < self._due:
            self._due = moment
            self._rung.set()

    def passed(self) -> None:
        self._last_pass = self._clock()

    @property
    def due(self) -> bool:
        left = self._left()
        return left is not None and left <= 0

    async def wait(self) -> float:
        """Until it is due; then nothing is due any more until it is rung again. Returns how late
        that is, in seconds."""
        while (left := self._left()) is None or left > 0:
            self._rung.clear()
            try:
                async with asyncio.timeout(left):
                    await self._rung.wait()
            except TimeoutError:
                break
        late, self._due = -(self._left() or 0.0), None
        return max(0.0, late)

    def _left(self) -> float | None:
        return None if self._due is None else self._due - self._clock()
