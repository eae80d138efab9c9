"""Machines and pods with defaults: `machine("a")` has the article's 8 devices and 512 GB, all free."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.nodes import WireNode, node_of
from stargate_operator.informers.pod_requests import Asking, requests_of
from stargate_operator.model.node import Node
from stargate_operator.placement.fleet import Fleet
from stargate_types import AcceleratorClass, ComputeBlock

DEVICE = "stargate.dev/silicon-v2"
GB = 1_000_000_000


def machine(
    name: str = "node",
    *,
    devices: int = 8,
    memory: str = "512G",
    cpu: str = "64",
    pods: str = "110",
    resource: str = DEVICE,
    ready: str = "True",
    cordoned: bool = False,
    taints: tuple[Mapping[str, str], ...] = (),
    labels: Mapping[str, str] | None = None,
    has: Mapping[str, str] | None = None,
    version: int = 1,
) -> Node:
    body: dict[str, Any] = {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"kubernetes.io/hostname": name, **(labels or {})},
        },
        "spec": {"unschedulable": cordoned, "taints": list(taints)},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {
                "cpu": cpu,
                "memory": memory,
                "pods": pods,
                resource: str(devices),
                **(has or {}),
            },
        },
    }
    return node_of(msgspec.convert(body, WireNode))


def requests(**quantities: str) -> Mapping[str, int]:
    """`devices="8", memory="256G"`; any other resource by `**{"rdma/hca": "1"}`."""
    named = {DEVICE if name == "devices" else name: each for name, each in quantities.items()}
    return asked([named])


def asked(containers: list[dict[str, str]], **more: Any) -> Mapping[str, int]:
    body = {"containers": [{"resources": {"requests": each}} for each in containers], **more}
    return requests_of(msgspec.convert(body, Asking))


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class GivenFleet(Fleet):
    def __init__(self, *machines: Node) -> None:
        self.clock = Clock()
        super().__init__(self.clock)
        for each in machines:
            self.node_changed(None, each)

    def runs(self, node: str, **quantities: str) -> None:
        """A pod of somebody's with these requests."""
        self.held(None, (node, requests(**quantities)))
        self.clock.now += 60


def catalog(*known: ComputeBlock | AcceleratorClass) -> Catalog:
    found = Catalog()
    for each in known:
        body = each.model_dump(by_alias=True, mode="json", exclude_none=True)
        put = found.put_block if isinstance(each, ComputeBlock) else found.put_class
        put(body)
    return found
