"""AcceleratorClass: the hardware behind an acceleratorType."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import DeviceCount, Model, ObjectMeta, Rule, text
from stargate_types.podparts import Toleration
from stargate_types.strings import AcceleratorType, LabelKey, LabelValue

ResourceName = Annotated[
    str,
    text(
        r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
        "must be the name of an extended resource: a DNS name, '/' and a name, such as"
        " nvidia.com/gpu",
        max_length=317,
    ),
]


class AcceleratorClassSpec(Model):
    """The resources and labels by which a worker gets this hardware, and the hardware's power."""

    rules = (
        Rule(
            "!self.resourceName.contains('kubernetes.io/')",
            "spec.resourceName: resources under kubernetes.io are no extended resources; take the"
            " name that the device plugin advertises, such as nvidia.com/gpu",
            ".resourceName",
        ),
        Rule(
            "!has(self.extraResources) || !(self.resourceName in self.extraResources)",
            "spec.extraResources must not repeat spec.resourceName, whose number follows from the"
            " job's gpuEquivalentsPerNode",
            ".extraResources",
        ),
    )
    accelerator_type: AcceleratorType = Field(
        description="The name that jobs use, such as stargate_silicon_v2."
    )
    resource_name: ResourceName = Field(
        description="Extended resource that a device plugin advertises, such as nvidia.com/gpu."
    )
    gpu_equivalents_per_device: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="GPU equivalents of one device, by which a job's gpuEquivalentsPerNode must"
        " divide.",
    )
    extra_resources: Annotated[dict[ResourceName, DeviceCount], Field(max_length=16)] | None = (
        Field(
            default=None,
            description="Other extended resources of each worker, such as RDMA devices.",
        )
    )
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] | None = Field(
        default=None, description="Labels of the nodes that have this hardware."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] | None = Field(
        default=None, description="Taints of those nodes that workers tolerate."
    )
    watts_per_device: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="Power of one device under load, for the energy estimate."
    )


class AcceleratorClass(Model):
    """The hardware behind an acceleratorType."""

    metadata: ObjectMeta = ObjectMeta()
    spec: AcceleratorClassSpec = Field(description="The hardware.")
