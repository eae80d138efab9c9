"""The runtimes, accelerator classes and compute blocks as the watches last showed them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from stargate_operator.informers.jobs import version_of
from stargate_types import AcceleratorClass, ComputeBlock, StargateRuntime

CLUSTER = "cluster"
"""Name of the block that has all nodes."""


T = TypeVar("T", StargateRuntime, AcceleratorClass, ComputeBlock)


class Catalog:
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
        """UIDs and versions of the blocks and classes: equal as long as blocks
        are counted in the same way."""
        blocks = [block.metadata for block in self._blocks.values()]
        classes = [accelerator.metadata for accelerator in self._classes.values()]
        return frozenset((meta.uid, meta.resource_version) for meta in (*blocks, *classes))

    def put_runtime(self, body: Mapping[str, Any]) -> None:
        _put(self._runtimes, StargateRuntime, body)

    def put_class(self, body: Mapping[str, Any]) -> None:
        _put(self._classes, AcceleratorClass, body)

    def put_block(self, body: Mapping[str, Any]) -> bool:
        """True if the change may concern a job. Our own counts, written every few seconds, do not."""
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
        """The PUE of the block that a gang was put into. Without one it is that of the block of the
        whole cluster, which comes with an install. The default 1 assumes no overhead."""
        stated = {block.metadata.name: block.spec.pue for block in self._blocks.values()}
        return stated.get(name or CLUSTER) or stated.get(CLUSTER) or 1.0


def _put(kind: dict[str, T], model: type[T], body: Mapping[str, Any]) -> None:
    found = model.model_validate(body)
    uid = found.metadata.uid
    if uid not in kind or version_of(found.metadata) >= version_of(kind[uid].metadata):
        kind[uid] = found
