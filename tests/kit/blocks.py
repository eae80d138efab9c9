"""Compute blocks of one test, and the capacity that the operator reports for them."""

from dataclasses import dataclass, field
from typing import Any

from stargate_lab.cluster.api import Api, Json
from stargate_types import ComputeBlock
from stargate_types.block import AcceleratorCapacity
from tests.kit.story import eventually

PATH = "/apis/stargate.dev/v1alpha1/computeblocks"
FRESH = 30.0
"""Seconds within which a change must be in the status."""

CAPACITY = {
    "acceleratorType": "v2-of-this-test",
    "nodes": 200,
    "freeNodes": 120,
    "gpuEquivalents": 1600,
    "freeGpuEquivalents": 1080,
    "allocatableMemoryGb": 30720,
    "histogram": [
        {"devices": 0, "nodes": 50},
        {"devices": 4, "nodes": 30},
        {"devices": 8, "nodes": 120},
    ],
}
"""The capacity of a block whose status only the test writes: 120 of its 200 nodes are free."""


@dataclass
class Blocks:
    api: Api
    _drawn: list[str] = field(default_factory=list)

    def draw(self, name: str, selector: dict[str, str], **spec: Any) -> str:
        body = {
            "apiVersion": "stargate.dev/v1alpha1",
            "kind": "ComputeBlock",
            "metadata": {"name": name},
            "spec": {"nodeSelector": selector, **spec},
        }
        self.api.create(PATH, body)
        self._drawn.append(name)
        return name

    def of(self, rack: str, **spec: Any) -> str:
        """A block of all nodes of that rack."""
        return self.draw(rack, {"stargate.dev/accelerator": rack}, **spec)

    def raw(self, name: str) -> Json:
        return self.api.get(f"{PATH}/{name}")

    def all(self) -> list[ComputeBlock]:
        return [ComputeBlock.model_validate(block) for block in self.api.get(PATH)["items"]]

    def capacity(self, name: str, rack: str) -> AcceleratorCapacity | None:
        status = ComputeBlock.model_validate(self.raw(name)).status
        return next((each for each in status.accelerators if each.accelerator_type == rack), None)

    def wait(self, name: str, rack: str, **expected: int) -> AcceleratorCapacity:
        def holds() -> AcceleratorCapacity | None:
            found = self.capacity(name, rack)
            right = found and all(getattr(found, key) == value for key, value in expected.items())
            return found if right else None

        found: AcceleratorCapacity = eventually(holds, f"{name}: {expected}", FRESH)
        return found

    def clear(self) -> None:
        while self._drawn:
            self.api.delete(f"{PATH}/{self._drawn.pop()}")
