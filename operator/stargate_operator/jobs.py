"""The jobs and the catalogue as last known: from the watch, or newer from our own writes' answers.

A status write is answered with the object as it stands now, and the watch tells of it later; taking
whichever is newer lets a pass see what the pass before wrote.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from stargate_types import AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime

T = TypeVar("T", StargateRuntime, AcceleratorClass, ComputeBlock)


class Jobs:
    """The StargateJobs by UID."""

    def __init__(self) -> None:
        self._by_uid: dict[str, StargateJob] = {}

    def __iter__(self) -> Iterator[StargateJob]:
        return iter(tuple(self._by_uid.values()))

    def get(self, uid: str) -> StargateJob | None:
        return self._by_uid.get(uid)

    def put(self, job: StargateJob) -> bool:
        """Whether it is news: an older version than the known one is none."""
        known = self._by_uid.get(job.uid)
        if known is not None and _version(known) >= _version(job):
            return False
        self._by_uid[job.uid] = job
        return True

    def remove(self, uid: str) -> None:
        self._by_uid.pop(uid, None)


def _version(job: StargateJob) -> int:
    """Comparable: Kubernetes promises so since 1.35, and etcd has always kept it."""
    return int(job.metadata.resource_version or 0)


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

    def put_runtime(self, body: Mapping[str, Any]) -> None:
        _put(self._runtimes, StargateRuntime, body)

    def put_class(self, body: Mapping[str, Any]) -> None:
        _put(self._classes, AcceleratorClass, body)

    def put_block(self, body: Mapping[str, Any]) -> None:
        _put(self._blocks, ComputeBlock, body)

    def remove(self, uid: str) -> None:
        for kind in (self._runtimes, self._classes, self._blocks):
            kind.pop(uid, None)

    @property
    def pue(self) -> float:
        """Of the block over the whole cluster, where an install brings one; 1 assumes no overhead."""
        for block in self._blocks.values():
            if block.metadata.name == "cluster" and block.spec.pue is not None:
                return block.spec.pue
        return 1.0


def _put(kind: dict[str, T], model: type[T], body: Mapping[str, Any]) -> None:
    found = model.model_validate(body)
    kind[found.metadata.uid] = found
