"""The reflector: it follows one kind of objects by list and watch, and keeps a store up to date.

`informer.py`, `gang_object_informer.py`, `nodes.py` and `foreign_pods.py` say which kinds. A reflector
reads and never writes. It must neither forget an object that exists nor keep one that does not: a
resume never skips versions, and a relist reports what vanished. It never dies silently: an unexpected
error ends the process.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from stargate_operator.informers.pod_wire import number
from stargate_operator.kube import errors
from stargate_operator.kube.client import SILENCE, Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.meta import ListMeta, ObjectMeta
from stargate_operator.kube.transport import Jitter
from stargate_operator.telemetry import metrics

log = structlog.get_logger(__name__)

_PAGE = 500
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_REFUSALS_BEFORE_RELIST = 3
"""Refusals in a row before it tries something else: a relist, or pages instead of a streamed list."""
_DEAD_AFTER = 2 * SILENCE
LIST_SILENCE = 15.0
"""Longest silence, in seconds, of a streamed list before it has ended. A leader waits for the lists."""
_INITIAL_END = "k8s.io/initial-events-end"


class WireObject(Protocol):
    """An object from the API server, decoded as far as is needed."""

    @property
    def metadata(self) -> ObjectMeta: ...


W = TypeVar("W", bound=WireObject)


class _Event(msgspec.Struct, Generic[W], frozen=True, gc=False):
    type: str
    object: W


class _Error(msgspec.Struct, frozen=True):
    """An event whose object is a metav1.Status instead of the kind."""

    type: str
    object: msgspec.Raw


class _List(msgspec.Struct, Generic[W], frozen=True):
    metadata: ListMeta
    items: list[W] = []


class Store(Protocol):
    """Keeps the objects and reports what changed."""

    def remove(self, uid: str) -> None: ...

    def keep_only(self, listed: set[str], version: int) -> None: ...

    def clear_versions(self) -> None: ...


_decode_error = msgspec.json.Decoder(_Error).decode


def in_namespace(path: str, namespace: str | None) -> str:
    """The path of one namespace's objects; `path` is that of all namespaces."""
    root, _, plural = path.rpartition("/")
    return path if namespace is None else f"{root}/namespaces/{namespace}/{plural}"


class Reflector(ABC, Generic[W]):
    """Follows one kind, decoded as `wire`. A subclass says what is kept of an object, and where."""

    def __init__(
        self,
        client: Client,
        store: Store,
        wire: type[W],
        *,
        path: str,
        clock: Callable[[], float],
        jitter: Jitter = random.uniform,
        selector: str = "",
        fields: str = "",
    ) -> None:
        self.synced = asyncio.Event()
        self.last_heard = clock()
        self.relists = 0
        self.resumes = 0
        self._client = client
        self._clock = clock
        self._jitter = jitter
        self._kept = store
        self._decode = msgspec.json.Decoder(_Event[wire]).decode  # type: ignore[valid-type]
        self._list_type = _List[wire]  # type: ignore[valid-type]
        self._path = path
        asked = {"labelSelector": selector, "fieldSelector": fields}
        self._selected = {key: chosen for key, chosen in asked.items() if chosen}
        self._version: int | None = None
        self._highest = 0
        self._can_stream_lists = True
        self._failures = 0
        self._refusals = 0

    @abstractmethod
    def _keep(self, wire: W) -> None:
        """Puts the object into the store."""

    @property
    def name(self) -> str:
        """Name of the watch in the metrics."""
        return self._path.rpartition("/")[2]

    def alive(self, now: float) -> bool:
        """True if an event arrived lately; a bookmark counts."""
        return now - self.last_heard < _DEAD_AFTER

    async def run(self) -> None:
        """Follows the kind for ever. Whatever it raises is a bug or the end of the process."""
        metrics.watch_begins(self.name)
        while True:
            try:
                await self._follow()
                self._failures = 0
            except (ApiError, msgspec.MsgspecError) as error:
                self._judge(error)
            await asyncio.sleep(self._pause())

    async def _follow(self) -> None:
        if self.relists or self.resumes:
            metrics.watch_restarted(self.name)
        if self._version is not None:
            self.resumes += 1
            await self._watch({"resourceVersion": str(self._version)})
        elif self._can_stream_lists:
            self.relists += 1
            await self._watch_from_scratch()
        else:
            self.relists += 1
            await self._list()

    def _judge(self, error: ApiError | msgspec.MsgspecError) -> None:
        """Decides how to go on: relist from a version that the server forgot or
        keeps refusing, else resume."""
        self._failures += 1
        self._refusals += not _says_nothing(error)
        expired = isinstance(error, ApiError) and error.gone
        hopeless = self._refusals >= _REFUSALS_BEFORE_RELIST
        if self._version is None and (hopeless or _refuses_streamed_lists(error)):
            self._can_stream_lists = False  # every server serves pages
        if expired or hopeless:
            self._version = None
        if not expired:
            log.warning(
                "watch interrupted", path=self._path, error=str(error), failures=self._failures
            )

    def _pause(self) -> float:
        """Seconds until the next try. After an orderly end it resumes at once, because the server also
        ends watches that fall behind in a burst of events."""
        if not self._failures:
            return self._jitter(0.0, 0.05)
        backoff: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        return self._jitter(0.5, 1.0) * backoff

    async def refresh(self) -> None:
        """Reads a full list. The store is then at least as new as this call; a watch may be behind."""
        self._kept.keep_only(*await self._list_all())

    async def _list(self) -> None:
        self._complete(*await self._list_all())

    async def _list_all(self) -> tuple[set[str], int]:
        """Lists in pages, all of one version: a snapshot, like the streamed list."""
        listed: set[str] = set()
        query = {**self._selected, "limit": str(_PAGE)}
        while True:
            page = await self._client.get(self._path, self._list_type, query=query)
            self._hear()
            for item in page.items:
                self._take(item, listed)
            if not page.metadata.continue_:
                return listed, int(page.metadata.resource_version)
            query["continue"] = page.metadata.continue_

    async def _watch_from_scratch(self) -> None:
        await self._watch({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"})

    async def _watch(self, start: Mapping[str, str]) -> None:
        loop, listed = asyncio.get_running_loop(), None if self._version is not None else set[str]()
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            **self._selected,
            "timeoutSeconds": str(int(self._jitter(240, 480))),
            **start,
        }
        try:
            async with (
                asyncio.timeout(None if listed is None else LIST_SILENCE) as limit,
                aclosing(self._client.stream(self._path, query=query)) as lines,
            ):
                async for line in lines:
                    self._hear()
                    if self._apply(self._read(line), listed):
                        listed = None
                        limit.reschedule(None)  # from now on silence is normal for a minute
                    if listed is None:
                        self._failures = self._refusals = 0
                    else:
                        limit.reschedule(loop.time() + LIST_SILENCE)
        except TimeoutError as silence:
            self._can_stream_lists = (
                False  # a server may never end a streamed list, but it ends a page
            )
            raise ApiError(0, "SilentList", "the initial list fell silent") from silence
        if listed is not None:
            raise ApiError(0, "EndedEarly", "the initial list ended early")

    def _read(self, line: bytes) -> _Event[W]:
        """Decodes event and object in one step. To look at the type first would read every pod twice."""
        try:
            event = self._decode(line)
        except msgspec.ValidationError:
            _raise_if_error(line)
            raise
        if event.type == "ERROR":
            _raise_if_error(line)
        return event

    def _apply(self, event: _Event[W], listed: set[str] | None) -> bool:
        """Takes one event. True if it ended the initial list."""
        wire = event.object
        if event.type == "BOOKMARK":
            return self._bookmark(wire.metadata, listed)
        if event.type == "DELETED":
            self._advance(number(wire.metadata.resource_version))
            self._kept.remove(wire.metadata.uid)
        elif event.type in ("ADDED", "MODIFIED"):
            self._take(wire, listed)
            if listed is None:
                self._advance(number(wire.metadata.resource_version))
        return False

    def _bookmark(self, meta: ObjectMeta, listed: set[str] | None) -> bool:
        version = number(meta.resource_version)
        if listed is None:
            self._advance(version)
        elif (meta.annotations or {}).get(_INITIAL_END) == "true":
            self._complete(listed, version)
            return True
        return False

    def _take(self, wire: W, listed: set[str] | None) -> None:
        if listed is not None:
            listed.add(wire.metadata.uid)
        self._keep(wire)

    def _complete(self, listed: set[str], version: int) -> None:
        restored, self._highest = version < self._highest, version
        if restored:  # a full list is never older than the events before it
            log.error("the cluster's history went back; starting over", version=version)
            self._kept.clear_versions()
            raise ApiError(410, "Gone", "resource versions went back")
        self._kept.keep_only(listed, version)
        self._version = version
        self._failures = self._refusals = 0
        self.synced.set()

    def _advance(self, version: int) -> None:
        self._version = version
        self._highest = max(self._highest, version)

    def _hear(self) -> None:
        self.last_heard = self._clock()


def _raise_if_error(line: bytes) -> None:
    event = _decode_error(line)
    if event.type == "ERROR":
        raise errors.from_watch(bytes(event.object))


def _says_nothing(error: ApiError | msgspec.MsgspecError) -> bool:
    """True if the error says nothing about the request: the server is away or busy."""
    if not isinstance(error, ApiError):
        return False
    return error.too_many or error.timed_out or error.unreachable


def _refuses_streamed_lists(error: ApiError | msgspec.MsgspecError) -> bool:
    return isinstance(error, ApiError) and error.status in (400, 422)
