"""What kopf's watchers do, seen from inside of their streams.

A watcher of kopf can die while the process looks healthy, and its kind's events are then unheard for
ever. The watchdog asks here.

See docs/decisions/0032-each-namespace-is-watched-by-itself.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

STARTING = 30.0


SILENT = 150.0
"""Bookmarks come every minute and kopf reconnects after 70 s of silence."""


Watched = tuple[str, str | None]
"""A kind by its plural, and a namespace; None: of all of them, or of the cluster."""


@dataclass
class _Watcher:
    """One life of a kopf watch stream. The task counts too: a generator outlives its dead reader."""

    task: asyncio.Task[Any] | None
    heard_at: float
    listed: bool = False
    ended: str | None = None
    cancelled: bool = False

    @property
    def dead(self) -> str | None:
        if self.ended is None and self.task is not None and self.task.done():
            return "its task ended"
        return self.ended


@dataclass
class KopfWatchers:
    """What kopf's watchers are doing, seen from inside their streams.

    kopf shows neither its watchers nor what they heard. All of them read from `infinite_watch`, which
    never ends by itself and yields bookmarks as well, so wrapping that one function shows when a
    watcher started, heard, and why it died. `install` fails where a new kopf has no such function.
    """

    wanted: frozenset[Watched]
    """One watcher of each: that of one namespace can die alone."""
    clock: Callable[[], float] = time.monotonic
    starting: float = STARTING
    silent: float = SILENT
    _watchers: dict[Watched, _Watcher] = field(default_factory=dict)
    _since: float | None = None

    def install(self) -> Callable[[], None]:
        """Call before kopf runs; returns how to undo it."""
        from kopf._cogs.clients import watching

        original: Any = watching.infinite_watch
        self.begin()

        def observed(**how: Any) -> AsyncIterator[Any]:
            key = (how["resource"].plural, how["namespace"])
            stream: AsyncIterator[Any] = original(**how)
            return self.observe(key, stream) if key in self.wanted else stream

        def undo() -> None:
            watching.infinite_watch = original

        watching.infinite_watch = observed
        return undo

    def begin(self) -> None:
        """From now on each of them is expected to come up."""
        self._since = self.clock()

    def problem(self) -> str | None:
        if self._since is None:
            return "not installed"
        if self._is_being_stopped:
            return None
        starting = self.clock() - self._since < self.starting
        wanted = sorted(self.wanted, key=_named)
        found = [f"{_named(each)} {why}" for each in wanted if (why := self._why(each, starting))]
        return ", ".join(found) or None

    @property
    def listed(self) -> bool:
        """All has been listed once: what is absent then is absent in the cluster."""
        found = [self._watchers.get(each) for each in self.wanted]
        return all(watcher and watcher.listed for watcher in found)

    @property
    def _is_being_stopped(self) -> bool:
        """kopf cancels all of them, and nothing else does: how that ends, its own end tells."""
        return bool(self._watchers) and all(each.cancelled for each in self._watchers.values())

    def ages(self) -> dict[str, float]:
        """Seconds since the last was heard, by kind; what is not watched ages too."""
        now, ages = self.clock(), dict[str, float]()
        for kind, namespace in self.wanted:
            watcher = self._watchers.get((kind, namespace))
            heard = watcher.heard_at if watcher else self._since or 0.0
            ages[kind] = max(ages.get(kind, 0.0), now - heard)
        return ages

    def _why(self, wanted: Watched, starting: bool) -> str | None:
        watcher = self._watchers.get(wanted)
        if watcher is None:
            return None if starting else f"not watched after {self.starting:g} s"
        return self._ill(watcher)

    def _ill(self, watcher: _Watcher) -> str | None:
        if watcher.dead:
            return f"watcher is dead ({watcher.dead})"
        silence = self.clock() - watcher.heard_at
        return f"watcher has been silent for {silence:.0f} s" if silence > self.silent else None

    async def observe(self, key: Watched, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Passes on one watcher's stream, and notes what comes of it."""
        from kopf._cogs.clients.watching import Bookmark

        watcher = self._watchers[key] = _Watcher(asyncio.current_task(), self.clock())
        try:
            async for event in stream:
                watcher.heard_at = self.clock()
                watcher.listed = watcher.listed or event is Bookmark.LISTED
                yield event
            watcher.ended = "the stream ended"
        except BaseException as error:
            watcher.cancelled = isinstance(error, asyncio.CancelledError)
            watcher.ended = f"{type(error).__name__}: {error}"
            raise


def _named(watched: Watched) -> str:
    kind, namespace = watched
    return kind if namespace is None else f"{kind} in {namespace}"
