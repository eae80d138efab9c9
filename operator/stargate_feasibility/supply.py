"""What nodes have to give, as groups of nodes that are alike, and how many workers they hold.

A status holds so many groups at most. Where nodes are more varied, what is free is told as less than
it is and what there could be as more, so that neither "yes" nor "never" is said too early.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from stargate_feasibility.need import Need
from stargate_types.block import MAX_GROUPS, AcceleratorCapacity, NodeGroup


class Kind(NamedTuple):
    """What a node gives; None: without bound. `workers` is how many it takes at most for other
    reasons than these."""

    devices: int
    memory_gb: int | None = None
    milli_cpus: int | None = None
    workers: int | None = None

    def holds(self, need: Need) -> int:
        """Workers on one such node."""
        bounds = [self.devices // need.devices]
        if self.memory_gb is not None:
            bounds.append(self.memory_gb // need.memory_gb)
        if self.milli_cpus is not None and need.cpus:
            bounds.append(int(Decimal(self.milli_cpus) / 1000 // need.cpus))
        if self.workers is not None:
            bounds.append(self.workers)
        return min(bounds)


Groups = Counter[Kind]
"""Nodes by what they give."""


def workers_on(groups: Groups, need: Need) -> int:
    return sum(nodes * kind.holds(need) for kind, nodes in groups.items())


@dataclass(frozen=True)
class Supply:
    """Of one accelerator type in one block. `free` is of usable nodes as they are; `machines` of all
    nodes with that hardware, as if nothing ran on them and nothing were wrong with them."""

    accelerator_type: str
    free: Groups
    machines: Groups

    @classmethod
    def told_by(cls, capacity: AcceleratorCapacity) -> "Supply":
        return cls(capacity.accelerator_type, _told(capacity.histogram), _told(capacity.machines))


def free_groups(groups: Groups) -> list[NodeGroup]:
    """For a status."""
    return _as_told(_few(groups, _less))


def machine_groups(groups: Groups) -> list[NodeGroup]:
    """For a status."""
    return _as_told(_few(groups, _more))


def _told(groups: Iterable[NodeGroup]) -> Groups:
    found: Groups = Counter()
    for each in groups:
        cpus = None if each.cpus is None else int(Decimal(str(each.cpus)) * 1000)
        found[Kind(each.devices, each.memory_gb, cpus, each.workers)] += each.nodes
    return found


def _as_told(groups: Groups) -> list[NodeGroup]:
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
    return tuple(-1 if each is None else each for each in kind)


Rounding = Callable[[int | None, int], int | None]


def _few(groups: Groups, rounded: Rounding) -> Groups:
    """Coarser by steps until they fit: memory and CPUs first, devices last."""
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


def _less(number: int | None, step: int) -> int | None:
    return None if number is None else number - number % step


def _more(number: int | None, step: int) -> int | None:
    return None if number is None else number + -number % step
