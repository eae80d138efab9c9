"""ComputeBlock: nodes that sit close together."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import Model, ObjectMeta, Time
from stargate_types.job import AcceleratorType
from stargate_types.podparts import LabelKey, LabelValue


class ComputeBlockSpec(Model):
    """Which nodes, and what connects and cools them."""

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] | None = Field(
        default=None, description="Labels of the block's nodes; all nodes where absent."
    )
    max_latency_ms: Annotated[float, Field(ge=0, le=60_000)] | None = Field(
        default=None, description="Latency between any two of its nodes, in milliseconds."
    )
    bandwidth_gbps: Annotated[float, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="Bandwidth of each node inside the block, in Gbit/s."
    )
    pue: Annotated[float, Field(ge=1, le=5)] | None = Field(
        default=None,
        description="Power usage effectiveness of the site: total power by computing power.",
    )


class FreeDevices(Model):
    devices: int = Field(ge=0, description="Free devices on a node.")
    nodes: int = Field(ge=0, description="Nodes with that many free devices.")


class AcceleratorCapacity(Model):
    accelerator_type: AcceleratorType = Field(description="The hardware.")
    nodes: int = Field(ge=0, description="Usable nodes with this hardware.")
    free_nodes: int = Field(ge=0, description="Usable nodes of which no device is taken.")
    gpu_equivalents: int = Field(ge=0, description="GPU equivalents of those nodes.")
    free_gpu_equivalents: int = Field(ge=0, description="GPU equivalents that nobody uses.")
    allocatable_memory_gb: int = Field(ge=0, description="Free memory, in decimal gigabytes.")
    histogram: Annotated[list[FreeDevices], Field(max_length=64)] = Field(
        default_factory=list, description="How many nodes have how many free devices."
    )


class ComputeBlockStatus(Model):
    """Capacity as counted from nodes and everyone's pods."""

    observed_time: Time | None = Field(default=None, description="When this was counted.")
    accelerators: Annotated[list[AcceleratorCapacity], Field(max_length=64)] = Field(
        default_factory=list,
        description="Capacity of each accelerator type.",
        json_schema_extra={"key": "acceleratorType"},
    )


class ComputeBlock(Model):
    """Nodes that sit close together, and how much of them is free."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ComputeBlockSpec = Field(description="Which nodes, and what connects them.")
    status: ComputeBlockStatus = Field(
        default_factory=ComputeBlockStatus, description="Capacity as counted."
    )
