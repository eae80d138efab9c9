"""The time at which a job's next pass is due. Many wake-ups become one pass.

A thousand pod events in a second must not cost a thousand passes. A change that cannot wait makes a pass
due at once: a failure, a new spec, the last pod of an old gang. Any other change makes it due half a
second after the last pass.
"""

import asyncio
from collections.abc import Callable

ROUTINE_INTERVAL = 0.5


class Alarm:
    """The alarm of one job's loop in the work queue. `clock` is monotonic, in seconds."""

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
        """Makes a pass due at this time, unless one is due sooner."""
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
        """Waits until a pass is due, and clears the alarm. Returns by how many seconds it is late."""
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
