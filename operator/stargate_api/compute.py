"""Compute blocks: how much of which hardware is free, and how close together the nodes are.

It reads a block's spec (latency, bandwidth, PUE) and its status (counts of nodes and devices), and
nothing else: a researcher may read neither nodes nor other people's pods. The counts are those of
`observed_time`; a gang that fits now may not fit a minute later.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from stargate_api._client.attribute_mapping import AttributeMapping
from stargate_api._client.lenient import read_leniently
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
    """One compute block: a mapping of what is free, and the same as typed attributes.

    Sums are over the block's accelerator types, or over the one type that the query asked for.
    """

    mapping_keys = _KEYS

    def __init__(self, manifest: Json, accelerator_type: str | None = None) -> None:
        self.manifest = manifest
        self.block = read_leniently(ComputeBlock, manifest)
        self._accelerator_type = accelerator_type

    def __repr__(self) -> str:
        return f"<AvailableCompute {self.name} {self.free_nodes} of {self.nodes} nodes free>"

    @property
    def name(self) -> str:
        """Name of the ComputeBlock."""
        return self.block.metadata.name

    @cached_property
    def accelerators(self) -> list[AcceleratorCapacity]:
        """Capacity of each accelerator type: nodes, free nodes, free devices, memory."""
        wanted = self._accelerator_type
        capacities = self.block.status.accelerators
        return [c for c in capacities if wanted in (None, c.accelerator_type)]

    @property
    def accelerator_types(self) -> list[str]:
        """Names of the accelerator types."""
        return [capacity.accelerator_type for capacity in self.accelerators]

    @property
    def nodes(self) -> int:
        """Number of usable nodes: ready and not cordoned."""
        return sum(capacity.nodes for capacity in self.accelerators)

    @property
    def free_nodes(self) -> int:
        """Number of usable nodes on which no device is in use."""
        return sum(capacity.free_nodes for capacity in self.accelerators)

    @property
    def largest_gang(self) -> int:
        """Free nodes of the type that has the most: a gang runs on one type."""
        return max((capacity.free_nodes for capacity in self.accelerators), default=0)

    @property
    def gpu_equivalents(self) -> int:
        """GPU equivalents of the usable nodes."""
        return sum(capacity.gpu_equivalents for capacity in self.accelerators)

    @property
    def free_gpu_equivalents(self) -> int:
        """GPU equivalents that no pod uses."""
        return sum(capacity.free_gpu_equivalents for capacity in self.accelerators)

    @property
    def latency_ms(self) -> float | None:
        """Latency between any two nodes in milliseconds, as the platform engineer states it."""
        return self.block.spec.max_latency_ms

    @property
    def bandwidth_gbps(self) -> float | None:
        """Bandwidth of each node inside the block, in Gbit/s."""
        return self.block.spec.bandwidth_gbps

    @property
    def pue(self) -> float | None:
        """Power usage effectiveness of the site: total power by computing power."""
        return self.block.spec.pue

    @property
    def observed_time(self) -> datetime | None:
        """When the numbers were counted; None where they never were."""
        return self.block.status.observed_time

    def nodes_with(self, free_devices: int) -> int:
        """Number of nodes with at least that many free devices, partly used nodes included."""
        groups = (group for capacity in self.accelerators for group in capacity.histogram)
        return sum(group.nodes for group in groups if group.devices >= free_devices)


def matching(
    manifests: Iterable[Json],
    *,
    min_nodes: int = 0,
    max_latency_ms: float | None = None,
    accelerator_type: str | None = None,
) -> list[AvailableCompute]:
    """The blocks that have enough free nodes close enough together, the most free nodes first.

    A block that states no latency matches no latency bound.
    """
    blocks = [AvailableCompute(manifest, accelerator_type) for manifest in manifests]
    found = [
        block
        for block in blocks
        if block.largest_gang >= min_nodes
        and _within_latency(block, max_latency_ms)
        and (accelerator_type is None or block.accelerators)
    ]
    return sorted(found, key=lambda block: (-block.largest_gang, block.name))


def _within_latency(block: AvailableCompute, bound: float | None) -> bool:
    return bound is None or (block.latency_ms is not None and block.latency_ms <= bound)
