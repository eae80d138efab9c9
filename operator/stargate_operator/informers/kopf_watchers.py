"""Observes the watchers of kopf from inside their streams, for the watchdog.

A watcher of kopf can die while the process looks healthy. Nobody sees its kind's events then.

See docs/decisions/0032-each-namespace-is-watched-by-itself.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

STARTING = 30.0
"""Seconds that kopf has to start all watchers."""

SILENT = 150.0
"""Seconds without an event after which a watcher counts as dead. Bookmarks come every minute, and kopf
reconnects after 70 s of silence."""


Watched = tuple[str, str | None]
"""A kind's plural and a namespace. None stands for all namespaces, or for a kind without namespaces."""


@dataclass
class _Watcher:
    """One run of a kopf watch stream. Its task is kept too, because a generator
    outlives its dead reader."""

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
    """Says whether all wanted watchers of kopf are alive.

    kopf shows neither its watchers nor their last events. All of them read from `infinite_watch`, which
    never ends by itself and also yields bookmarks. `install` wraps that one function, which shows when a
    watcher started, when its last event came, and why it died. It fails with a kopf that has no such
    function.
    """

    wanted: frozenset[Watched]
    """There is one watcher for each, because the watcher of one namespace can die alone."""
    clock: Callable[[], float] = time.monotonic
    starting: float = STARTING
    silent: float = SILENT
    _watchers: dict[Watched, _Watcher] = field(default_factory=dict)
    _since: float | None = None

    def install(self) -> Callable[[], None]:
        """Wraps the function; call it before kopf runs. Returns the function that undoes it."""
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
        found = [f"{_named(kind)} {why}" for kind in wanted if (why := self._why(kind, starting))]
        return ", ".join(found) or None

    @property
    def listed(self) -> bool:
        """True if all kinds have been listed once. An object that is absent
        then is not in the cluster."""
        found = [self._watchers.get(kind) for kind in self.wanted]
        return all(watcher and watcher.listed for watcher in found)

    @property
    def _is_being_stopped(self) -> bool:
        """Only kopf cancels its watchers, and then all of them. Its own end shows how that went."""
        watchers = self._watchers.values()
        return bool(watchers) and all(watcher.cancelled for watcher in watchers)

    def ages(self) -> dict[str, float]:
        """Seconds since the last event, by kind. They also count for a kind that is not watched yet."""
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
