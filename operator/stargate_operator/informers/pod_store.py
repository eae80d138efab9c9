"""Keeps the jobs' pods by job and by UID. All changes go through this store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.model.pod import Pod

OnChange = Callable[[str, "Pod | None", "Pod | None"], None]

_REMEMBER_GONE = 300.0
"""Seconds for which a deleted pod is remembered: the answer to a create never takes longer."""
Place = tuple[str, str]
"""Namespace and name. Anybody can write labels in any namespace, so the name alone is not enough."""
_EMPTY: Mapping[Place, Pod] = MappingProxyType({})


class PodStore:
    """The pods by job and by UID. `on_change` gets the job's UID, the pod before and the pod now."""

    def __init__(self, on_change: OnChange, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_change = on_change
        self._clock = clock
        self._jobs: dict[str, dict[Place, Pod]] = {}
        self._by_uid: dict[str, Pod] = {}
        self._gone: set[str] = set()
        self._gone_since: deque[tuple[float, str]] = deque()
        self._deleting: set[str] = set()
        self._seeded: set[str] = set()
        """Pods of which only the metadata is known yet."""

    def __len__(self) -> int:
        return len(self._by_uid)

    def of_job(self, job_uid: str) -> Mapping[Place, Pod]:
        pods = self._jobs.get(job_uid)
        return _EMPTY if pods is None else MappingProxyType(pods)

    def by_uid(self, pod_uid: str) -> Pod | None:
        return self._by_uid.get(pod_uid)

    def is_gone(self, pod_uid: str) -> bool:
        """True if the pod was deleted within the last minutes."""
        return pod_uid in self._gone

    def job_uids(self) -> frozenset[str]:
        return frozenset(self._jobs)

    def put(self, pod: Pod) -> None:
        """Takes a newer version. An older version, or one of a pod that is
        known to be gone, is ignored."""
        known = self._by_uid.get(pod.uid)
        if pod.uid in self._gone or (known and not self._is_news(known, pod)):
            return
        self._seeded.discard(pod.uid)
        if known is not None and known.job_uid != pod.job_uid:
            self._drop(known)  # it got another label, so it is gone for its old job
            known = None
        if pod.uid in self._deleting and not pod.deleting:
            pod = msgspec.structs.replace(pod, deleting=True)  # from before our delete took effect
        self._replace(known, pod)

    def remove(self, uid: str) -> None:
        self._remember_gone(uid)
        self._deleting.discard(uid)
        known = self._by_uid.get(uid)
        if known is not None:
            self._drop(known)

    def seed(self, meta: ObjectMeta) -> None:
        """Takes the answer to a create, which has metadata alone; the watch shows the whole pod a little
        later. A pod that the watch has shown already is kept, also if its version is older."""
        if meta.uid in self._by_uid:
            return
        self.put(pod_of(WirePod(metadata=meta)))
        if meta.uid in self._by_uid:
            self._seeded.add(meta.uid)

    def mark_deleting(self, uid: str) -> None:
        """Marks a pod whose delete was accepted, until the watch shows the result."""
        known = self._by_uid.get(uid)
        if known is not None and not known.deleting:
            self._deleting.add(uid)
            self._replace(known, msgspec.structs.replace(known, deleting=True))

    def keep_only(self, listed: set[str], version: int, namespace: str | None = None) -> None:
        """Takes a full list of one namespace or of all, at `version`. A known pod that it lacks and that
        is no newer has vanished."""
        vanished = [
            pod
            for uid, pod in self._by_uid.items()
            if uid not in listed and pod.resource_version <= version
            if namespace in (None, pod.namespace)
        ]
        for pod in vanished:
            self.remove(pod.uid)

    def clear_versions(self) -> None:
        """Accepts any version next: the server's history went back, as after a restore of etcd."""
        for uid, pod in self._by_uid.items():
            self._by_uid[uid] = renewed = msgspec.structs.replace(pod, resource_version=0)
            self._jobs[pod.job_uid][_place(pod)] = renewed
        self._gone.clear()
        self._gone_since.clear()

    def _is_news(self, known: Pod, pod: Pod) -> bool:
        """Of a seed's own version, the whole object is: it says where the pod is and how it fares."""
        if known.uid in self._seeded:
            return pod.resource_version >= known.resource_version
        return pod.resource_version > known.resource_version

    def _replace(self, known: Pod | None, pod: Pod) -> None:
        namesake = self._jobs.get(pod.job_uid, {}).get(_place(pod))
        if namesake is not None and namesake.uid != pod.uid:
            if namesake.resource_version > pod.resource_version:
                return  # a late event of a pod whose successor is known already
            self.remove(namesake.uid)  # a name is free again only when its pod is gone
        self._by_uid[pod.uid] = pod
        self._jobs.setdefault(pod.job_uid, {})[_place(pod)] = pod
        self._on_change(pod.job_uid, known, pod)

    def _drop(self, pod: Pod) -> None:
        del self._by_uid[pod.uid]
        self._seeded.discard(pod.uid)
        pods = self._jobs[pod.job_uid]
        del pods[_place(pod)]
        if not pods:
            del self._jobs[pod.job_uid]
        self._on_change(pod.job_uid, pod, None)

    def _remember_gone(self, uid: str) -> None:
        now = self._clock()
        self._gone.add(uid)
        self._gone_since.append((now, uid))
        while now - self._gone_since[0][0] > _REMEMBER_GONE:
            self._gone.discard(self._gone_since.popleft()[1])


def _place(pod: Pod) -> Place:
    return pod.namespace, pod.name
