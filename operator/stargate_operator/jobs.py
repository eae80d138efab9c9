"""The jobs and the catalogue as last known: from the watch, or newer from our own writes' answers.

A status write is answered with the object as it stands now, and the watch tells of it later; taking
whichever is newer lets a pass see what the pass before wrote.
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from stargate_types import AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime
from stargate_types.base import ObjectMeta

log = structlog.get_logger(__name__)

CLUSTER = "cluster"
"""Name of the block over all nodes."""

_REMEMBER_GONE = 10_000
"""Jobs that went lately: far more than a watch can be behind."""

T = TypeVar("T", StargateRuntime, AcceleratorClass, ComputeBlock)


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
        if known is not None and _version(known.metadata) >= _version(job.metadata):
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
            if there and job.uid not in listed and _version(job.metadata) <= version:
                self.remove(job.uid)


def _version(meta: ObjectMeta) -> int:
    """Comparable: Kubernetes promises so since 1.35, and etcd has always kept it."""
    return int(meta.resource_version or 0)


class Catalogue:
    """The cluster's runtimes, accelerator classes and compute blocks by UID."""

    def __init__(self) -> None:
        self._runtimes: dict[str, StargateRuntime] = {}
        self._classes: dict[str, AcceleratorClass] = {}
        self._blocks: dict[str, ComputeBlock] = {}

    @property
    def runtimes(self) -> tuple[StargateRuntime, ...]:
        return tuple(self._runtimes.values())

    @property
    def classes(self) -> tuple[AcceleratorClass, ...]:
        return tuple(self._classes.values())

    @property
    def blocks(self) -> tuple[ComputeBlock, ...]:
        return tuple(self._blocks.values())

    @property
    def versions(self) -> frozenset[tuple[str, str]]:
        """Of what blocks are counted by."""
        blocks = [block.metadata for block in self._blocks.values()]
        classes = [each.metadata for each in self._classes.values()]
        return frozenset((meta.uid, meta.resource_version) for meta in (*blocks, *classes))

    def put_runtime(self, body: Mapping[str, Any]) -> None:
        _put(self._runtimes, StargateRuntime, body)

    def put_class(self, body: Mapping[str, Any]) -> None:
        _put(self._classes, AcceleratorClass, body)

    def put_block(self, body: Mapping[str, Any]) -> bool:
        """Whether that may concern a job: a count of our own, written every few seconds, does not."""
        before = self._blocks.get(body["metadata"]["uid"])
        _put(self._blocks, ComputeBlock, body)
        after = self._blocks[body["metadata"]["uid"]]
        if before is None or before.spec != after.spec:
            return True
        return after.spec.accounting == "External" and before.status != after.status

    def remove(self, uid: str) -> None:
        for kind in (self._runtimes, self._classes, self._blocks):
            kind.pop(uid, None)

    def pue_in(self, name: str | None) -> float:
        """Of the block that a gang was put into; else of the one over the whole cluster, which an
        install brings. 1 assumes no overhead."""
        stated = {block.metadata.name: block.spec.pue for block in self._blocks.values()}
        return stated.get(name or CLUSTER) or stated.get(CLUSTER) or 1.0


def _put(kind: dict[str, T], model: type[T], body: Mapping[str, Any]) -> None:
    found = model.model_validate(body)
    uid = found.metadata.uid
    if uid not in kind or _version(found.metadata) >= _version(kind[uid].metadata):
        kind[uid] = found
