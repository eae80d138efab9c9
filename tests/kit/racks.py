"""Simulated hardware of one test, apart from the fleet that all tests share."""

from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from stargate_lab.cluster import fleet
from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.cluster.fleet import Fleet

_NODES = "/api/v1/nodes"
CLASSES = "/apis/stargate.dev/v1alpha1/acceleratorclasses"


@dataclass
class Racks:
    api: Api
    _built: list[Fleet] = field(default_factory=list)
    _classes: list[str] = field(default_factory=list)

    def build(self, nodes: int) -> str:
        """Create nodes and their class, and return the acceleratorType."""
        name = f"rack-{uuid4().hex[:6]}"
        self.classify(name)
        self.add(name, nodes)
        return name

    def classify(self, name: str) -> str:
        """Create only the class. Its nodes may come later."""
        self.api.create(CLASSES, _class(name))
        self._classes.append(name)
        return name

    def add(self, name: str, nodes: int, *, memory: str = "512G", **labels: str) -> list[str]:
        """Create nodes and return their names. They differ only in the zones of the fleet."""
        rack = Fleet(
            nodes,
            f"{name}-{len(self._built)}",
            resource=f"stargate.dev/{name}",
            accelerator=name,
            memory=memory,
            labels=labels,
        )
        self._built.append(rack)
        fleet.create(rack, self.api.credentials)
        return rack.names

    def cordon(self, node: str) -> None:
        self.api.patch(f"{_NODES}/{node}", {"spec": {"unschedulable": True}})

    def uncordon(self, node: str) -> None:
        self.api.patch(f"{_NODES}/{node}", {"spec": {"unschedulable": None}})

    def taint(self, node: str) -> None:
        taint = {"key": "team", "value": "other", "effect": "NoSchedule"}
        self.api.patch(f"{_NODES}/{node}", {"spec": {"taints": [taint]}})

    def says(self, node: str, ready: str) -> None:
        """Set the condition Ready: `True`, `False`, or `Unknown` if the kubelet is silent. The taint
        that keeps pods off comes with it: these control planes have no controller for it."""
        condition = {"type": "Ready", "status": ready, "reason": "Test", "message": ""}
        self.api.patch(f"{_NODES}/{node}/status", {"status": {"conditions": [condition]}})
        kind = {"Unknown": "unreachable", "False": "not-ready"}.get(ready)
        taint = {"key": f"node.kubernetes.io/{kind}", "effect": "NoSchedule"}
        self.api.patch(f"{_NODES}/{node}", {"spec": {"taints": [taint] if kind else None}})

    def remove(self, node: str) -> None:
        """Delete the object, as a cloud does when the machine is gone."""
        self.api.delete(f"{_NODES}/{node}")

    def forget_class(self, name: str) -> None:
        """Tell `clear` that the test has deleted the class."""
        self._classes.remove(name)

    def clear(self) -> None:
        for name in self._classes:
            self.api.delete(f"{CLASSES}/{name}")
        for rack in self._built:
            for name in rack.names:
                with suppress(ApiError):  # the test may have removed it
                    self.remove(name)


def _class(name: str) -> Json:
    return {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": name},
        "spec": {
            "acceleratorType": name,
            "resourceName": f"stargate.dev/{name}",
            "nodeSelector": {"stargate.dev/accelerator": name},
        },
    }
