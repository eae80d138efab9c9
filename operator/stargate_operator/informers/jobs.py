"""The newest known version of each job, from the watch or from the answers to our own writes.

A status write is answered with the object as it is now, and the watch shows it later. The newer of both
is kept, so that a pass sees what the pass before it wrote.
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any

import structlog
from pydantic import ValidationError

from stargate_operator.informers.unreadable import Unreadable, unreadable
from stargate_types import StargateJob
from stargate_types.base import ObjectMeta

log = structlog.get_logger(__name__)


_REMEMBER_GONE = 10_000
"""How many deleted jobs are remembered: far more than a watch can be behind."""


class Jobs:
    """The StargateJobs by UID. A deleted job stays deleted, also if an older event of it comes later."""

    def __init__(self) -> None:
        self._by_uid: dict[str, StargateJob] = {}
        self._unreadable: dict[str, Unreadable] = {}
        self._gone: dict[str, None] = {}

    def __iter__(self) -> Iterator[StargateJob]:
        return iter(tuple(self._by_uid.values()))

    def get(self, uid: str) -> StargateJob | None:
        return self._by_uid.get(uid)

    def unreadable(self, uid: str) -> Unreadable | None:
        """The job as the API server gave it, if this version cannot read it."""
        return self._unreadable.get(uid)

    @property
    def uids(self) -> frozenset[str]:
        """Of all jobs, the unreadable ones included."""
        return frozenset((*self._by_uid, *self._unreadable))

    def take(self, body: Mapping[str, Any]) -> bool:
        """True if the job is new or newer. An object that this version cannot read does not stop the
        others."""
        try:
            return self.put(StargateJob.model_validate(body))
        except ValidationError as error:
            return self._put_unreadable(unreadable(body, error))

    def _put_unreadable(self, found: Unreadable) -> bool:
        meta = found.body["metadata"]
        uid = meta["uid"]
        known, before = self._by_uid.get(uid), self._unreadable.get(uid)
        newest = max(version_of(known.metadata) if known else -1, before.version if before else -1)
        if uid in self._gone or newest >= found.version:
            return False
        log.error("unreadable job", job=f"{meta['namespace']}/{meta['name']}", error=found.problem)
        self._by_uid.pop(uid, None)
        self._unreadable[uid] = found
        return True

    def put(self, job: StargateJob) -> bool:
        """True if the job is new or newer than the known version."""
        if job.uid in self._gone:
            return False
        known = self._by_uid.get(job.uid)
        if known is not None and version_of(known.metadata) >= version_of(job.metadata):
            return False
        before = self._unreadable.get(job.uid)
        if before is not None and before.version >= version_of(job.metadata):
            return False
        self._unreadable.pop(job.uid, None)
        self._by_uid[job.uid] = job
        return True

    def remove(self, uid: str) -> None:
        self._by_uid.pop(uid, None)
        self._unreadable.pop(uid, None)
        self._gone[uid] = None
        while len(self._gone) > _REMEMBER_GONE:
            del self._gone[next(iter(self._gone))]

    def keep_only(self, listed: Set[str], version: int, namespace: str | None = None) -> None:
        """Takes a full list of one namespace or of all, at `version`. A known job that it lacks and that
        is no newer is gone."""
        for job in self:
            there = namespace in (None, job.metadata.namespace)
            if there and job.uid not in listed and version_of(job.metadata) <= version:
                self.remove(job.uid)
        for uid, found in list(self._unreadable.items()):
            there = namespace in (None, found.body["metadata"]["namespace"])
            if there and uid not in listed and found.version <= version:
                self.remove(uid)


def version_of(meta: ObjectMeta) -> int:
    """The version as a number. Versions are comparable: Kubernetes promises it since 1.35, and it has
    always been so with etcd."""
    return int(meta.resource_version or 0)
