"""The answer to a watch, read line by line."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from stargate_operator.kube.framing import Framing

_HIGH_WATER = 1024 * 1024
READ_INTERVAL = 0.05
"""Seconds between two reads of a watch. Events that arrive meanwhile are read together."""


class LineStream:
    """Reads an endless answer line by line. Silence of `idle` seconds ends it with TimeoutError.

    The lines that wait for the consumer are bounded. Beyond the bound the socket is not read, and
    the server, not this process, decides what to do about a slow watcher.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        self.framing = Framing(self._take)
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._idle = idle
        self._lines: deque[bytes] = deque()
        self._tail = b""
        self._held = 0
        self._full = False
        self._resting = False
        self._flows = True
        self._error: Exception | None = None
        self._ended = False
        self._wake: asyncio.Future[None] | None = None
        self._last_heard = loop.time()
        self._timer = loop.call_later(idle, self._check_silence)

    @property
    def status(self) -> int:
        return self.framing.status

    @property
    def head(self) -> bytes:
        return self.framing.head

    async def answered(self) -> None:
        """Returns once the header block is here."""
        while not self.framing.head and not self._ended:
            await self._more()
        if not self.framing.head:
            raise self._error or ConnectionResetError("closed before it answered")

    async def lines(self) -> AsyncIterator[bytes]:
        """Yields lines until the server ends the answer. Raises the error if the answer breaks off."""
        while True:
            while self._lines:
                line = self._lines.popleft()
                self._held -= len(line)
                yield line
            self._resume()
            if self._lines:
                continue
            if self._ended:
                break
            await self._more()
        if self._error:
            raise self._error

    def rest(self) -> bytes:
        """The line that the end of the answer cut off, if any."""
        return self._tail

    def close(self) -> None:
        self._timer.cancel()
        if self.transport is not None:
            self.transport.abort()

    def heard(self, data: bytes) -> None:
        self._last_heard = self._loop.time()
        self.framing.feed(data)
        if self.framing.complete:
            self._ended = True
        else:
            self._full = self._full or self._held > _HIGH_WATER
            self._rest()
        self._notify()

    def lost(self, error: Exception) -> None:
        self.framing.close()
        if not self._ended and not self.framing.complete:
            self._error = error
        self._ended = True
        self._notify()

    def _take(self, piece: bytes) -> None:
        lines = (self._tail + piece if self._tail else piece).split(b"\n")
        self._tail = lines.pop()
        self._lines.extend(lines)
        self._held += len(piece)

    def _resume(self) -> None:
        self._held = len(self._tail)
        if self._full:
            self._full = False
            self._last_heard = self._loop.time()
            self._let_flow()

    def _rest(self) -> None:
        """Waits one read interval, because a wake-up of the loop costs more than an event."""
        if not self._resting:
            self._resting = True
            self._loop.call_later(READ_INTERVAL, self._rested)
        self._let_flow()

    def _rested(self) -> None:
        self._resting = False
        self._let_flow()

    def _let_flow(self) -> None:
        flows = not (self._full or self._resting)
        if flows == self._flows or self._ended or self.transport is None:
            return
        if not self.transport.is_closing():
            self._flows = flows
            (self.transport.resume_reading if flows else self.transport.pause_reading)()

    def _check_silence(self) -> None:
        """Ends a silent stream. A paused stream is silent because of us, so it does not count."""
        left = self._last_heard + self._idle - self._loop.time()
        if left <= 0 and not self._full:
            self.lost(TimeoutError(f"nothing heard for {self._idle:g} s"))
        else:
            self._timer = self._loop.call_later(max(left, self._idle / 4), self._check_silence)

    async def _more(self) -> None:
        self._wake = self._loop.create_future()
        await self._wake

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
