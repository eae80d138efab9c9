"""The resources that nodes offer, as groups of equal nodes, and how many workers they hold.

A status holds a bounded number of groups. Where the nodes are more varied, the free resources are
rounded down and the possible ones up, so that neither "yes" nor "never" is answered too early.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from stargate_feasibility.need import Need
from stargate_types.block import MAX_GROUPS, AcceleratorCapacity, NodeGroup


class Kind(NamedTuple):
    """The offer of each node of a group; None where it is unbounded.

    Memory is in decimal gigabytes, CPUs in thousandths. `workers` is the highest number of workers
    for other reasons, such as the node's number of pods.
    """

    devices: int
    memory_gb: int | None = None
    milli_cpus: int | None = None
    workers: int | None = None

    def holds(self, need: Need) -> int:
        """Number of workers that fit on one such node."""
        bounds = [self.devices // need.devices]
        if self.memory_gb is not None:
            bounds.append(self.memory_gb // need.memory_gb)
        if self.milli_cpus is not None and need.cpus:
            bounds.append(int(Decimal(self.milli_cpus) / 1000 // need.cpus))
        if self.workers is not None:
            bounds.append(self.workers)
        return min(bounds)


Groups = Counter[Kind]
"""Number of nodes by their offer."""


def workers_on(groups: Groups, need: Need) -> int:
    """Number of workers that fit on all these nodes."""
    return sum(nodes * kind.holds(need) for kind, nodes in groups.items())


@dataclass(frozen=True)
class Supply:
    """The offer of one block for one accelerator type.

    `free` counts usable nodes with what is free on them now. `machines` counts all nodes with this
    hardware, as if nothing ran on them and all were usable.
    """

    accelerator_type: str
    free: Groups
    machines: Groups

    @classmethod
    def told_by(cls, capacity: AcceleratorCapacity) -> "Supply":
        """The supply that a block's status states."""
        return cls(
            capacity.accelerator_type,
            free=_from_status(capacity.histogram),
            machines=_from_status(capacity.machines),
        )


def free_groups(groups: Groups) -> list[NodeGroup]:
    """The groups for a status, rounded down where there are too many."""
    return _to_status(_coarsened(groups, _round_down))


def machine_groups(groups: Groups) -> list[NodeGroup]:
    """The groups for a status, rounded up where there are too many."""
    return _to_status(_coarsened(groups, _round_up))


def _from_status(groups: Iterable[NodeGroup]) -> Groups:
    found: Groups = Counter()
    for group in groups:
        cpus = None if group.cpus is None else int(Decimal(str(group.cpus)) * 1000)
        found[Kind(group.devices, group.memory_gb, cpus, group.workers)] += group.nodes
    return found


def _to_status(groups: Groups) -> list[NodeGroup]:
    return [
        NodeGroup(
            devices=kind.devices,
            memory_gb=kind.memory_gb,
            cpus=None if kind.milli_cpus is None else kind.milli_cpus / 1000,
            workers=kind.workers,
            nodes=nodes,
        )
        for kind, nodes in sorted(groups.items(), key=lambda item: _rank(item[0]), reverse=True)
    ]


def _rank(kind: Kind) -> tuple[int, ...]:
    return tuple(-1 if number is None else number for number in kind)


Rounding = Callable[[int | None, int], int | None]


def _coarsened(groups: Groups, rounded: Rounding) -> Groups:
    """Rounds in growing steps until few enough groups remain: memory and CPUs first, devices last."""
    step = 1
    while len(groups) > MAX_GROUPS:
        step *= 2
        coarse: Groups = Counter()
        for kind, nodes in groups.items():
            coarse[_coarser(kind, step, rounded)] += nodes
        groups = coarse
    return groups


def _coarser(kind: Kind, step: int, rounded: Rounding) -> Kind:
    devices = rounded(kind.devices, max(1, step // 1024))
    return Kind(
        devices or 0,
        rounded(kind.memory_gb, step),
        rounded(kind.milli_cpus, 100 * step),
        rounded(kind.workers, step),
    )


def _round_down(number: int | None, step: int) -> int | None:
    return None if number is None else number - number % step


def _round_up(number: int | None, step: int) -> int | None:
    return None if number is None else number + -number % step
