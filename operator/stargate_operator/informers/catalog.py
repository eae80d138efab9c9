"""The runtimes, accelerator classes and compute blocks as the watches last showed them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from stargate_operator.informers.jobs import version_of
from stargate_operator.informers.unreadable import Unreadable, unreadable
from stargate_types import AcceleratorClass, ComputeBlock, StargateRuntime

log = structlog.get_logger(__name__)

CLUSTER = "cluster"
"""Name of the block that has all nodes."""


T = TypeVar("T", StargateRuntime, AcceleratorClass, ComputeBlock)


class Catalog:
    """The cluster's runtimes, accelerator classes and compute blocks by UID."""

    def __init__(self) -> None:
        self._runtimes: dict[str, StargateRuntime] = {}
        self._classes: dict[str, AcceleratorClass] = {}
        self._blocks: dict[str, ComputeBlock] = {}
        self._unreadable: dict[str, tuple[str, Unreadable]] = {}

    def unreadable(self, kind: str) -> tuple[str, ...]:
        """A sentence for each object of this kind that this version cannot read. It is not used: not
        even as it was before an edit, or the edit would have no effect and nobody would know."""
        found = (each for of_kind, each in self._unreadable.values() if of_kind == kind)
        return tuple(f"{kind} {each.name!r} cannot be read: {each.problem}" for each in found)

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
        """UIDs and versions of the blocks and classes: equal as long as blocks
        are counted in the same way."""
        blocks = [block.metadata for block in self._blocks.values()]
        classes = [accelerator.metadata for accelerator in self._classes.values()]
        return frozenset((meta.uid, meta.resource_version) for meta in (*blocks, *classes))

    def put_runtime(self, body: Mapping[str, Any]) -> None:
        self._put(self._runtimes, StargateRuntime, body)

    def put_class(self, body: Mapping[str, Any]) -> None:
        self._put(self._classes, AcceleratorClass, body)

    def put_block(self, body: Mapping[str, Any]) -> bool:
        """True if the change may concern a job. Our own counts, written every few seconds, do not."""
        before = self._blocks.get(body["metadata"]["uid"])
        self._put(self._blocks, ComputeBlock, body)
        after = self._blocks.get(body["metadata"]["uid"])
        if before is None or after is None or before.spec != after.spec:
            return True
        return after.spec.accounting == "External" and before.status != after.status

    def remove(self, uid: str) -> None:
        for kind in (self._runtimes, self._classes, self._blocks):
            kind.pop(uid, None)
        self._unreadable.pop(uid, None)

    def pue_in(self, name: str | None) -> float:
        """The PUE of the block that a gang was put into. Without one it is that of the block of the
        whole cluster, which comes with an install. The default 1 assumes no overhead."""
        stated = {block.metadata.name: block.spec.pue for block in self._blocks.values()}
        return stated.get(name or CLUSTER) or stated.get(CLUSTER) or 1.0

    def _put(self, kind: dict[str, T], model: type[T], body: Mapping[str, Any]) -> None:
        uid = body["metadata"]["uid"]
        try:
            found = model.model_validate(body)
        except ValidationError as error:
            self._put_unreadable(kind, model.__name__, unreadable(body, error))
            return
        if uid not in kind or version_of(found.metadata) >= version_of(kind[uid].metadata):
            kind[uid] = found
            self._unreadable.pop(uid, None)

    def _put_unreadable(self, kind: dict[str, T], name: str, found: Unreadable) -> None:
        uid = found.body["metadata"]["uid"]
        if uid in kind and version_of(kind[uid].metadata) > found.version:
            return
        kind.pop(uid, None)
        if self._unreadable.get(uid) != (name, found):
            log.error("unreadable", kind=name, name=found.name, error=found.problem)
        self._unreadable[uid] = (name, found)
