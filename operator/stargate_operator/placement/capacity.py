"""Counts the capacity that nodes have for the workers of one accelerator class. Pure.

See docs/decisions/0011-a-block-tells-groups-of-equal-nodes.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stargate_feasibility.supply import Groups, Kind, Supply, free_groups, machine_groups
from stargate_operator.model.node import Node, Taint
from stargate_operator.model.resources import Amounts, amounts
from stargate_types import AcceleratorClass
from stargate_types.accelerator import AcceleratorClassSpec
from stargate_types.block import AcceleratorCapacity
from stargate_types.podparts import Toleration

_GB = 1_000_000_000
_CPU_GRAIN = 100
"""Free CPUs are rounded down to tenths, so that a small pod does not cause a write of the status."""

UsageOf = Callable[[str], Amounts]


@dataclass
class Count:
    """The nodes and devices of one accelerator class in one block."""

    accelerator_class: AcceleratorClass
    nodes: int = 0
    unavailable: int = 0
    free_nodes: int = 0
    devices: int = 0
    free_devices: int = 0
    free_memory: int = 0
    free: Groups = field(default_factory=Counter)
    machines: Groups = field(default_factory=Counter)

    @property
    def supply(self) -> Supply:
        """The exact numbers, by which the operator decides."""
        return Supply(self.accelerator_class.spec.accelerator_type, self.free, self.machines)

    def capacity(self) -> AcceleratorCapacity:
        """The numbers as a ComputeBlock's status has them."""
        spec = self.accelerator_class.spec
        return AcceleratorCapacity(
            accelerator_type=spec.accelerator_type,
            nodes=self.nodes,
            free_nodes=self.free_nodes,
            unavailable_nodes=self.unavailable,
            gpu_equivalents=self.devices * spec.gpu_equivalents_per_device,
            free_gpu_equivalents=self.free_devices * spec.gpu_equivalents_per_device,
            allocatable_memory_gb=self.free_memory // _GB,
            histogram=free_groups(self.free),
            machines=machine_groups(self.machines),
        )


def count(nodes: Iterable[Node], accelerator_class: AcceleratorClass, usage_of: UsageOf) -> Count:
    """Counts one class; `nodes` are the nodes of the block."""
    spec = accelerator_class.spec
    extras = amounts(tuple((spec.extra_resources or {}).items()))
    wanted = labels(spec.node_selector)
    found = Count(accelerator_class)
    usable = _Tolerance(spec)
    for node in nodes:
        whole = node.allocatable.get(spec.resource_name, 0)
        if whole and has_labels(node, wanted) and _has(node.allocatable, extras):
            _take(found, node, spec.resource_name, extras)
            if node.ready and usable.of(node.taints):
                _take_usable(found, node, usage_of(node.name), spec.resource_name, extras)
            else:
                found.unavailable += 1
    return found


def labels(selector: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple((selector or {}).items())


def has_labels(node: Node, wanted: Iterable[tuple[str, str]]) -> bool:
    return all(label in node.labels for label in wanted)


def _has(allocatable: Amounts, extras: Amounts) -> bool:
    return all(allocatable.get(name, 0) >= number for name, number in extras.items())


def _take(found: Count, node: Node, device: str, extras: Amounts) -> None:
    kind = _kind(node.allocatable, device, extras, grain=1)
    found.machines[kind] += 1


def _take_usable(found: Count, node: Node, used: Amounts, device: str, extras: Amounts) -> None:
    left = {name: max(0, number - used.get(name, 0)) for name, number in node.allocatable.items()}
    whole, free = node.allocatable[device], left[device]
    found.nodes += 1
    found.devices += whole
    found.free_devices += free
    found.free_nodes += free == whole
    found.free_memory += left.get("memory", 0)
    found.free[_kind(left, device, extras, grain=_CPU_GRAIN)] += 1


def _kind(gives: Amounts, device: str, extras: Amounts, *, grain: int) -> Kind:
    devices, milli = gives[device], gives.get("cpu", 0)
    bounds = [
        gives.get("pods", 0),
        *(gives.get(name, 0) // number for name, number in extras.items()),
    ]
    workers = min(bounds)
    return Kind(
        devices,
        gives.get("memory", 0) // _GB,
        milli - milli % grain,
        workers if workers < devices else None,
    )


class _Tolerance:
    """The taints that a class tolerates. A cluster has few combinations of
    taints, so each is judged once."""

    def __init__(self, spec: AcceleratorClassSpec) -> None:
        self._tolerations = spec.tolerations or []
        self._known: dict[tuple[Taint, ...], bool] = {(): True}

    def of(self, taints: tuple[Taint, ...]) -> bool:
        known = self._known.get(taints)
        if known is None:
            known = self._known[taints] = all(self._tolerates(taint) for taint in taints)
        return known

    def _tolerates(self, taint: Taint) -> bool:
        return any(tolerates(toleration, taint) for toleration in self._tolerations)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == taint.value
