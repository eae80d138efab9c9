"""Compute blocks: how much of what hardware is free, and how close together it is.

It reads what a block states (latency, bandwidth, PUE) and what was counted of it (its status), and
nothing else: no nodes and nobody's pods, which a researcher may not read. Numbers are of the moment
in `observed_time`; who fits now may not fit in a minute.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from stargate_api._client.attribute_mapping import AttributeMapping
from stargate_api._client.steps import Json
from stargate_types import ComputeBlock
from stargate_types.block import AcceleratorCapacity

_KEYS = (
    "name",
    "nodes",
    "free_nodes",
    "gpu_equivalents",
    "free_gpu_equivalents",
    "accelerator_types",
    "latency_ms",
    "bandwidth_gbps",
    "pue",
    "observed_time",
)


class AvailableCompute(AttributeMapping):
    """One block. Sums are over its accelerator types, or of the one that was asked for."""

    mapping_keys = _KEYS

    def __init__(self, manifest: Json, accelerator_type: str | None = None) -> None:
        self.manifest = manifest
        self.block = ComputeBlock.model_validate(manifest)
        self._asked = accelerator_type

    def __repr__(self) -> str:
        return f"<AvailableCompute {self.name} {self.free_nodes} of {self.nodes} nodes free>"

    @property
    def name(self) -> str:
        return self.block.metadata.name

    @cached_property
    def accelerators(self) -> list[AcceleratorCapacity]:
        """By accelerator type: nodes, free nodes, free devices, memory."""
        found = self.block.status.accelerators
        return [each for each in found if self._asked in (None, each.accelerator_type)]

    @property
    def accelerator_types(self) -> list[str]:
        return [each.accelerator_type for each in self.accelerators]

    @property
    def nodes(self) -> int:
        """Usable ones: neither cordoned nor NotReady."""
        return sum(each.nodes for each in self.accelerators)

    @property
    def free_nodes(self) -> int:
        """Those of which no device is taken."""
        return sum(each.free_nodes for each in self.accelerators)

    @property
    def largest_gang(self) -> int:
        """Free nodes of the type that has most: a gang runs on one type."""
        return max((each.free_nodes for each in self.accelerators), default=0)

    @property
    def gpu_equivalents(self) -> int:
        return sum(each.gpu_equivalents for each in self.accelerators)

    @property
    def free_gpu_equivalents(self) -> int:
        return sum(each.free_gpu_equivalents for each in self.accelerators)

    @property
    def latency_ms(self) -> float | None:
        """Between any two of its nodes, as the platform engineer states it."""
        return self.block.spec.max_latency_ms

    @property
    def bandwidth_gbps(self) -> float | None:
        return self.block.spec.bandwidth_gbps

    @property
    def pue(self) -> float | None:
        return self.block.spec.pue

    @property
    def observed_time(self) -> datetime | None:
        """When it was counted; None where it never was."""
        return self.block.status.observed_time

    def nodes_with(self, free_devices: int) -> int:
        """Nodes, also half-used ones, with at least that many free devices."""
        entries = (entry for each in self.accelerators for entry in each.histogram)
        return sum(entry.nodes for entry in entries if entry.devices >= free_devices)


def that_fit(
    manifests: Iterable[Json],
    *,
    min_nodes: int = 0,
    max_latency_ms: float | None = None,
    accelerator_type: str | None = None,
) -> list[AvailableCompute]:
    """Most free nodes first. A block that states no latency promises none, so it does not fit a
    bound on it."""
    blocks = [AvailableCompute(each, accelerator_type) for each in manifests]
    found = [
        block
        for block in blocks
        if block.largest_gang >= min_nodes
        and _near_enough(block, max_latency_ms)
        and (accelerator_type is None or block.accelerators)
    ]
    return sorted(found, key=lambda block: (-block.largest_gang, block.name))


def _near_enough(block: AvailableCompute, bound: float | None) -> bool:
    return bound is None or (block.latency_ms is not None and block.latency_ms <= bound)
