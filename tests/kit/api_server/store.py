"""The objects and their history, with one revision counter for all kinds, as in etcd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tests.kit.api_server.resources import Key, Resource

Json = dict[str, Any]
Change = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Stored:
    """One version of an object. `raw` are its bytes on the wire. Do not change `object`."""

    object: Json
    raw: bytes
    version: int

    @property
    def uid(self) -> str:
        return str(self.object["metadata"]["uid"])


@dataclass(frozen=True)
class Commit:
    """One write. For a deletion, `now` is the last state of the object at the deletion's version."""

    change: Change
    key: Key
    now: Stored
    before: Stored | None

    @property
    def version(self) -> int:
        return self.now.version


class Store:
    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.log: list[Commit] = []
        """Every commit since the last compaction, in order."""
        self._objects: dict[Resource, dict[Key, Stored]] = {}
        self._listeners: list[Callable[[Commit], None]] = []

    def listen(self, listener: Callable[[Commit], None]) -> None:
        """Call `listener` for each commit, in order, before the writer gets its answer."""
        self._listeners.append(listener)

    def get(self, key: Key) -> Stored | None:
        return self._objects.get(key.resource, {}).get(key)

    def all(self, resource: Resource, namespace: str = "") -> Iterator[tuple[Key, Stored]]:
        """All objects of a kind, ordered by name as in etcd."""
        found = self._objects.get(resource, {})
        for key in sorted(found, key=lambda key: (key.namespace, key.name)):
            if namespace in ("", key.namespace):
                yield key, found[key]

    def everything(self) -> Iterator[tuple[Key, Stored]]:
        for resource in list(self._objects):
            yield from list(self.all(resource))

    def put(self, key: Key, new: Json) -> Stored:
        before = self.get(key)
        stored = self._stamped(new)
        self._objects.setdefault(key.resource, {})[key] = stored
        self._commit(Commit("MODIFIED" if before else "ADDED", key, stored, before))
        return stored

    def remove(self, key: Key) -> Stored:
        before = self._objects[key.resource].pop(key)
        last = self._stamped(before.object)
        self._commit(Commit("DELETED", key, last, before))
        return last

    def since(self, version: int) -> Iterator[Commit]:
        """Commits after `version`, which must not be older than `compacted`."""
        low, high = 0, len(self.log)
        while low < high:
            middle = (low + high) // 2
            if self.log[middle].version <= version:
                low = middle + 1
            else:
                high = middle
        return iter(self.log[low:])

    def compact(self) -> None:
        """Forget the history. Watches of earlier versions are refused from now on."""
        self.compacted = self.revision
        self.log.clear()

    def _stamped(self, new: Json) -> Stored:
        self.revision += 1
        meta = {**new["metadata"], "resourceVersion": str(self.revision)}
        found = {**new, "metadata": meta}
        return Stored(found, msgspec.json.encode(found), self.revision)

    def _commit(self, commit: Commit) -> None:
        self.log.append(commit)
        for listener in self._listeners:
            listener(commit)
