"""The jobs as last known: from the watch, or newer from our own writes' answers.

A status write is answered with the object as it stands now, and the watch tells of it later; taking
whichever is newer lets a pass see what the pass before wrote.
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any

import structlog
from pydantic import ValidationError

from stargate_types import StargateJob
from stargate_types.base import ObjectMeta

log = structlog.get_logger(__name__)


_REMEMBER_GONE = 10_000
"""Jobs that went lately: far more than a watch can be behind."""


class Jobs:
    """The StargateJobs by UID. One that is gone stays gone, whatever late word of it comes."""

    def __init__(self) -> None:
        self._by_uid: dict[str, StargateJob] = {}
        self._gone: dict[str, None] = {}

    def __iter__(self) -> Iterator[StargateJob]:
        return iter(tuple(self._by_uid.values()))

    def get(self, uid: str) -> StargateJob | None:
        return self._by_uid.get(uid)

    def take(self, body: Mapping[str, Any]) -> bool:
        """Whether it is news. An object that no model of this version can read is named, and stops no
        other."""
        try:
            return self.put(StargateJob.model_validate(body))
        except ValidationError as error:
            meta = body["metadata"]
            log.error("unreadable job", job=f"{meta['namespace']}/{meta['name']}", error=str(error))
            return False

    def put(self, job: StargateJob) -> bool:
        """Whether it is news: an older version than the known one is none."""
        if job.uid in self._gone:
            return False
        known = self._by_uid.get(job.uid)
        if known is not None and version_of(known.metadata) >= version_of(job.metadata):
            return False
        self._by_uid[job.uid] = job
        return True

    def remove(self, uid: str) -> None:
        self._by_uid.pop(uid, None)
        self._gone[uid] = None
        while len(self._gone) > _REMEMBER_GONE:
            del self._gone[next(iter(self._gone))]

    def keep_only(self, listed: Set[str], version: int, namespace: str | None = None) -> None:
        """After a full list of a namespace, or of all, at `version`: whatever it lacks and is no newer
        has gone."""
        for job in self:
            there = namespace in (None, job.metadata.namespace)
            if there and job.uid not in listed and version_of(job.metadata) <= version:
                self.remove(job.uid)


def version_of(meta: ObjectMeta) -> int:
    """Comparable: Kubernetes promises so since 1.35, and etcd has always kept it."""
    return int(meta.resource_version or 0)
