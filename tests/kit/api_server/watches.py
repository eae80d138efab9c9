"""Watches, which deliver commits in order and with a latency, unless a test holds them back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import Any

import msgspec

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.resources import Resource
from tests.kit.api_server.selectors import Selects
from tests.kit.api_server.store import Commit

Json = dict[str, Any]

BOOKMARK_SECONDS = 60.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


class Watch:
    """One open stream. The server feeds it, the client reads `lines`, and a test may hold it back
    (`hold`), end it (`end`, `expire`) or break it (`break_off`)."""

    def __init__(
        self,
        resource: Resource,
        namespace: str,
        selects: Selects,
        *,
        agent: str,
        labels: str,
        bookmarks: bool,
        latency: Callable[[], float],
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        self.agent = agent
        self.labels = labels
        self.version = 0
        self.over = False
        self._selects = selects
        self._bookmarks = bookmarks
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._context = Context()
        self._coming: list[bytes] = []
        self._here: deque[bytes] = deque()
        self._held = False
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._flush_due: asyncio.TimerHandle | None = None

    def open_for(self, seconds: float | None) -> None:
        """Start the timers: for bookmarks, and for the regular end after `seconds`."""
        if seconds is not None:
            self._later(seconds, self.end)
        if self._bookmarks:
            self._later(BOOKMARK_SECONDS, self._bookmark)

    def told(self, commit: Commit) -> None:
        """Send the commit. An object that begins to match is ADDED, one that stops is DELETED."""
        key = commit.key
        if key.resource is not self.resource or self.namespace not in ("", key.namespace):
            return
        self.version = commit.version
        matched = commit.before is not None and self._selects(commit.before.object)
        matches = commit.change != "DELETED" and self._selects(commit.now.object)
        if matches:
            self.send("MODIFIED" if matched else "ADDED", commit.now.raw)
        elif matched:
            self.send("DELETED", commit.now.raw)

    def send(self, change: str, raw: bytes) -> None:
        self._line(b'{"type":"%b","object":%b}' % (change.encode(), raw))

    def bookmark(self, version: int, *, initial_end: bool = False) -> None:
        self.version = max(self.version, version)
        meta: Json = {"resourceVersion": str(version)}
        if initial_end:
            meta["annotations"] = _INITIAL_END
        body = {"kind": self.resource.kind, "apiVersion": self.resource.api_version}
        self.send("BOOKMARK", msgspec.json.encode({**body, "metadata": meta}))

    def hold(self) -> None:
        """Deliver nothing until `release`. The client does not notice that it is behind."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self._schedule_flush()

    def end(self) -> None:
        """A regular end, as after `timeoutSeconds`."""
        self._finish(None)

    def expire(self) -> None:
        """The server has compacted the next version: it sends an ERROR event with code 410."""
        gone = Refused(410, "Expired", "too old resource version")
        self.send("ERROR", msgspec.json.encode(gone.as_status()))
        self.end()

    def drop(self) -> None:
        """End without the events that are held back. The client must watch again to get them."""
        self._coming.clear()
        self.end()

    def break_off(self) -> None:
        self._finish(ConnectionResetError("connection reset by peer"))

    def close(self) -> None:
        """Called by the client, or when its process dies."""
        self.over = True
        for timer in self._timers:
            timer.cancel()

    async def lines(self, idle: float) -> AsyncIterator[bytes]:
        """Ends with the watch. Raises the error that broke it, or TimeoutError after `idle` seconds."""
        while True:
            while self._here:
                yield self._here.popleft()
            if self.over:
                break
            async with asyncio.timeout(idle):
                self._wake = self._loop.create_future()
                await self._wake
        if self._error is not None:
            raise self._error

    def _bookmark(self) -> None:
        if not self.over:
            self.bookmark(self.version)
            self._later(BOOKMARK_SECONDS, self._bookmark)

    def _line(self, line: bytes) -> None:
        if not self.over:
            self._coming.append(line)
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        if self._flush_due is None and self._coming and not self._held:
            self._flush_due = self._later(self._latency(), self._flush)

    def _flush(self) -> None:
        self._flush_due = None
        if not self._held:
            self._here.extend(self._coming)
            self._coming.clear()
            self._notify()

    def _finish(self, error: Exception | None) -> None:
        if self.over:
            return
        if error is None:
            self._here.extend(self._coming)
        self._error = error
        self.close()
        self._notify()

    def _later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Runs `call` outside the writer's context, so that a paused writer delays no watch."""
        new = self._loop.call_later(seconds, call, context=self._context)
        self._timers = [*(timer for timer in self._timers if not _over(timer, self._loop)), new]
        return new

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _over(timer: asyncio.TimerHandle, loop: asyncio.AbstractEventLoop) -> bool:
    return timer.cancelled() or timer.when() < loop.time()
