"""What one worker asks of a node, and how many workers there are."""

from dataclasses import dataclass
from decimal import Decimal

from stargate_feasibility.resolution import Resolution
from stargate_types import StargateJob
from stargate_types.quantity import amount


@dataclass(frozen=True)
class Need:
    """`requests` is everything that a worker's container states, as request and limit alike."""

    accelerator_type: str
    ranks: int
    devices: int
    memory_gb: int
    cpus: Decimal
    requests: dict[str, Decimal]


def need_of(job: StargateJob, resolution: Resolution) -> Need:
    allocation = job.spec.resource_allocation
    requests = {name: amount(each) for name, each in worker_resources(job, resolution).items()}
    return Need(
        accelerator_type=job.spec.accelerator_type,
        ranks=allocation.nodes,
        devices=resolution.devices_per_node,
        memory_gb=allocation.memory_gb_per_node,
        cpus=requests.get("cpu", Decimal(0)),
        requests=requests,
    )


def worker_resources(job: StargateJob, resolution: Resolution) -> dict[str, str]:
    """Requests and limits alike: what the spec says is what a worker gets, no less and no more."""
    template, accelerator = resolution.template, resolution.accelerator.spec
    asked = {"cpu": template.cpu, "ephemeral-storage": template.ephemeral_storage}
    return {
        **{name: quantity for name, quantity in asked.items() if quantity},
        "memory": f"{job.spec.resource_allocation.memory_gb_per_node}G",
        accelerator.resource_name: str(resolution.devices_per_node),
        **(accelerator.extra_resources or {}),
    }
