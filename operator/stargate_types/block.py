"""ComputeBlock: nodes that sit close together."""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, ObjectMeta, Time
from stargate_types.strings import AcceleratorType, LabelKey, LabelValue

MAX_GROUPS = 64
"""Groups of equal nodes in a status, at most; more varied nodes are grouped more coarsely."""


class ComputeBlockSpec(Model):
    """The nodes of a block, their network and their site."""

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
    accounting: Literal["Operator", "External"] = Field(
        default="Operator",
        description="Writer of the status. Operator: the operator counts nodes and everyone's pods."
        " External: a tool of yours writes it, and the operator only reads it.",
    )


class NodeGroup(Model):
    """Nodes that are alike, by what one of them has. An absent value does not bound anything."""

    devices: int = Field(ge=0, description="Devices on each of them.")
    memory_gb: int | None = Field(
        default=None, ge=0, description="Memory on each of them, in whole decimal gigabytes."
    )
    cpus: float | None = Field(default=None, ge=0, description="CPUs on each of them.")
    workers: int | None = Field(
        default=None,
        ge=0,
        description="At most so many workers on each of them, where pods or the class's"
        " extraResources bound it more closely than devices.",
    )
    nodes: int = Field(ge=0, description="How many such nodes there are.")


class AcceleratorCapacity(Model):
    """Capacity of a block for one accelerator type."""

    accelerator_type: AcceleratorType = Field(description="The hardware.")
    nodes: int = Field(ge=0, description="Usable nodes with this hardware.")
    free_nodes: int = Field(ge=0, description="Usable nodes of which no device is taken.")
    unavailable_nodes: int = Field(
        default=0,
        ge=0,
        description="Nodes with this hardware that are not ready, cordoned, or have a taint that"
        " the class does not tolerate.",
    )
    gpu_equivalents: int = Field(ge=0, description="GPU equivalents of the usable nodes.")
    free_gpu_equivalents: int = Field(ge=0, description="GPU equivalents that nobody uses.")
    allocatable_memory_gb: int = Field(
        ge=0,
        description="Memory of the usable nodes that no pod has requested, in decimal gigabytes.",
    )
    histogram: Annotated[list[NodeGroup], Field(max_length=MAX_GROUPS)] = Field(
        default_factory=list,
        description="Free resources, as groups of usable nodes with equal amounts.",
    )
    machines: Annotated[list[NodeGroup], Field(max_length=MAX_GROUPS)] = Field(
        default_factory=list,
        description="What could be free on how many nodes: everything allocatable, those nodes"
        " included that are unavailable now.",
    )


class ComputeBlockStatus(Model):
    """Capacity as counted from nodes and everyone's pods."""

    observed_time: Time | None = Field(
        default=None, description="When these numbers were counted; they hold until the next."
    )
    accelerators: Annotated[list[AcceleratorCapacity], Field(max_length=64)] = Field(
        default_factory=list,
        description="Capacity of each accelerator type.",
        json_schema_extra={"key": "acceleratorType"},
    )


class ComputeBlock(Model):
    """Nodes that sit close together, and how much of them is free."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ComputeBlockSpec = Field(description="The nodes, their network and their site.")
    status: ComputeBlockStatus = Field(
        default_factory=ComputeBlockStatus, description="Capacity as counted."
    )
