"""The objects of one kind that belong to jobs, by job and by UID.

Pure bookkeeping. Every change of such an object gets in through `put` and `remove`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from stargate_operator.model.gang_object import GangObject
from stargate_operator.model.pod import Pod

Item = TypeVar("Item", Pod, GangObject)
OnChange = Callable[[str, Item | None, Item | None], None]

_REMEMBER_GONE = 300.0
"""Seconds: longer than the answer to any create can take."""
Place = tuple[str, str]
"""Namespace and name, because anybody can write labels in any namespace."""


class JobObjectStore(Generic[Item]):
    """The objects of one kind that carry a job's label.

    `on_change` gets each change: the job's UID, the object before and the object after it;
    None before it exists and after it is gone.
    """

    def __init__(
        self, on_change: OnChange[Item], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_change: OnChange[Item] = on_change
        self._clock = clock
        self._jobs: dict[str, dict[Place, Item]] = {}
        self._by_uid: dict[str, Item] = {}
        self._gone: set[str] = set()
        self._gone_since: deque[tuple[float, str]] = deque()
        self._deleting: set[str] = set()

    def __len__(self) -> int:
        return len(self._by_uid)

    def of_job(self, job_uid: str) -> Mapping[Place, Item]:
        return MappingProxyType(self._jobs.get(job_uid) or {})

    def by_uid(self, uid: str) -> Item | None:
        return self._by_uid.get(uid)

    def is_gone(self, uid: str) -> bool:
        """Deleted within the last minutes."""
        return uid in self._gone

    def job_uids(self) -> frozenset[str]:
        return frozenset(self._jobs)

    def put(self, item: Item) -> None:
        """Takes a newer version; an older one, or one of an object known gone, changes nothing."""
        known = self._by_uid.get(item.uid)
        if item.uid in self._gone or (known and not self._is_news(known, item)):
            return
        if known is not None and known.job_uid != item.job_uid:
            self._drop(known)  # relabelled: for its old job it is gone
            known = None
        if item.uid in self._deleting and not item.deleting:
            item = msgspec.structs.replace(
                item, deleting=True
            )  # from before our delete took effect
        self._replace(known, item)

    def remove(self, uid: str) -> None:
        self._remember_gone(uid)
        self._deleting.discard(uid)
        known = self._by_uid.get(uid)
        if known is not None:
            self._drop(known)

    def mark_deleting(self, uid: str) -> None:
        """Notes an accepted delete: the object shows as deleting until the watch has it."""
        known = self._by_uid.get(uid)
        if known is not None and not known.deleting:
            self._deleting.add(uid)
            self._replace(known, msgspec.structs.replace(known, deleting=True))

    def keep_only(self, listed: set[str], version: int, namespace: str | None = None) -> None:
        """Takes a full list of one namespace or of all, at `version`. A known object that it lacks and
        that is no newer is gone."""
        vanished = [
            item
            for uid, item in self._by_uid.items()
            if uid not in listed and item.resource_version <= version
            if namespace in (None, item.namespace)
        ]
        for item in vanished:
            self.remove(item.uid)

    def clear_versions(self) -> None:
        """For a server whose history went back (a restored etcd): its next list is the truth."""
        for uid, item in self._by_uid.items():
            self._by_uid[uid] = renewed = msgspec.structs.replace(item, resource_version=0)
            self._jobs[item.job_uid][_place(item)] = renewed
        self._gone.clear()
        self._gone_since.clear()

    def _is_news(self, known: Item, item: Item) -> bool:
        return item.resource_version > known.resource_version

    def _replace(self, known: Item | None, item: Item) -> None:
        namesake = self._jobs.get(item.job_uid, {}).get(_place(item))
        if namesake is not None and namesake.uid != item.uid:
            if namesake.resource_version > item.resource_version:
                return  # late news of an object whose successor is here already
            self.remove(namesake.uid)  # a name is free only after its object is gone
        self._by_uid[item.uid] = item
        self._jobs.setdefault(item.job_uid, {})[_place(item)] = item
        self._on_change(item.job_uid, known, item)

    def _drop(self, item: Item) -> None:
        del self._by_uid[item.uid]
        items = self._jobs[item.job_uid]
        del items[_place(item)]
        if not items:
            del self._jobs[item.job_uid]
        self._on_change(item.job_uid, item, None)

    def _remember_gone(self, uid: str) -> None:
        now = self._clock()
        self._gone.add(uid)
        self._gone_since.append((now, uid))
        while now - self._gone_since[0][0] > _REMEMBER_GONE:
            self._gone.discard(self._gone_since.popleft()[1])


def _place(item: Item) -> Place:
    return item.namespace, item.name


@dataclass(frozen=True)
class NamespacePart(Generic[Item]):
    """The part of a store that is in one namespace; None: all of it."""

    store: JobObjectStore[Item]
    namespace: str | None

    def remove(self, uid: str) -> None:
        self.store.remove(uid)

    def keep_only(self, listed: set[str], version: int) -> None:
        self.store.keep_only(listed, version, self.namespace)

    def clear_versions(self) -> None:
        self.store.clear_versions()
