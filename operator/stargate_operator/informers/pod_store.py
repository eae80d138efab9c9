"""The worker pods by job and by UID."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from stargate_operator.informers.job_object_store import JobObjectStore, OnChange
from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.model.pod import Pod


class PodStore(JobObjectStore[Pod]):
    """The worker pods. The answer to a create can seed it before the watch shows the pod."""

    def __init__(
        self, on_change: OnChange[Pod], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(on_change, clock)
        self._seeded: set[str] = set()
        """Pods of which only the metadata is known yet."""

    def put(self, item: Pod) -> None:
        """Takes a newer version; an older one, or one of a pod known gone, changes nothing."""
        known = self.by_uid(item.uid)
        super().put(item)
        if self.by_uid(item.uid) is not known:
            self._seeded.discard(item.uid)

    def seed(self, meta: ObjectMeta) -> None:
        """Takes the answer to a create, which has metadata alone; the watch shows the whole pod a little
        later. A pod that the watch has shown already is kept, also if its version is older."""
        if meta.uid in self._by_uid:
            return
        self.put(pod_of(WirePod(metadata=meta)))
        if meta.uid in self._by_uid:
            self._seeded.add(meta.uid)

    def mark_deleting(self, uid: str) -> None:
        """Notes an accepted delete. The end of a grace that it has shortened is not known yet."""
        known = self.by_uid(uid)
        if known is not None and known.deleting and known.deletion_at is not None:
            self._replace(known, msgspec.structs.replace(known, deletion_at=None))
        super().mark_deleting(uid)

    def _is_news(self, known: Pod, item: Pod) -> bool:
        """True for the whole object of a seed's own version: a seed has no node and no state."""
        if known.uid in self._seeded:
            return item.resource_version >= known.resource_version
        return super()._is_news(known, item)

    def _drop(self, item: Pod) -> None:
        self._seeded.discard(item.uid)
        super()._drop(item)
