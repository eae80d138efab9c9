"""The limit on writes in flight. It follows the server's 429s, not a rate of our own.

Additive increase, multiplicative decrease. The server enforces API Priority and Fairness;
a QPS cap here would make 5,000 pods take minutes on an idle server and still overload a busy one.
The ceiling is the knee of the curve: beyond it the server answers 429 and gets slower.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

_DECREASE_EVERY = 1.0
"""Seconds in which 429s count as one signal: all requests in flight meet the same full queue."""


class Limiter:
    """Limits the writes in flight. A 429 halves the limit; successes raise it again, up to `ceiling`.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, ceiling: int, clock: Callable[[], float]) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._limit = ceiling
        self._in_flight = 0
        self._successes = 0
        self._may_decrease_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def acquire(self, *, ahead: bool = False) -> None:
        """`ahead`: goes before everyone who waits, for the few writes on which the others depend."""
        if self._in_flight < self._limit and not self._waiting:
            self._in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if ahead else self._waiting.append)(turn)
        try:
            await turn  # release() counts the slot for us before it wakes us
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        self._in_flight -= 1
        self._hand_out()

    def succeeded(self) -> None:
        """Raises the limit by one after a whole window of successes."""
        self._successes += 1
        if self._successes >= self._limit:
            self._successes = 0
            self._limit = min(self._ceiling, self._limit + 1)
            self._hand_out()

    def throttled(self) -> None:
        self._successes = 0
        now = self._clock()
        if now >= self._may_decrease_at:
            self._may_decrease_at = now + _DECREASE_EVERY
            self._limit = max(1, self._limit // 2)

    def _hand_out(self) -> None:
        while self._waiting and self._in_flight < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
