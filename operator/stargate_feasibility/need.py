"""The resources that one worker requests, and the number of workers."""

from dataclasses import dataclass
from decimal import Decimal

from stargate_feasibility.resolution import Resolution
from stargate_types import StargateJob
from stargate_types.quantity import amount


@dataclass(frozen=True)
class Need:
    """The resources of a gang of `ranks` equal workers.

    The other fields are per worker: devices, memory in decimal gigabytes, CPUs. `requests` holds all
    resources of the worker's container, in base units; request and limit are the same.
    """

    accelerator_type: str
    ranks: int
    devices: int
    memory_gb: int
    cpus: Decimal
    requests: dict[str, Decimal]


def need_of(job: StargateJob, resolution: Resolution) -> Need:
    """The need of a job with this runtime and this class."""
    allocation = job.spec.resource_allocation
    resources = worker_resources(job, resolution)
    requests = {name: amount(quantity) for name, quantity in resources.items()}
    return Need(
        accelerator_type=job.spec.accelerator_type,
        ranks=allocation.nodes,
        devices=resolution.devices_per_node,
        memory_gb=allocation.memory_gb_per_node,
        cpus=requests.get("cpu", Decimal(0)),
        requests=requests,
    )


def worker_resources(job: StargateJob, resolution: Resolution) -> dict[str, str]:
    """The resources of a worker's container as quantities. Requests and limits are the same."""
    template, accelerator = resolution.template, resolution.accelerator.spec
    asked = {"cpu": template.cpu, "ephemeral-storage": template.ephemeral_storage}
    return {
        **{name: quantity for name, quantity in asked.items() if quantity},
        "memory": f"{job.spec.resource_allocation.memory_gb_per_node}G",
        accelerator.resource_name: str(resolution.devices_per_node),
        **(accelerator.extra_resources or {}),
    }
