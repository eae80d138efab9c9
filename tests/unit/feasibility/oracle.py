"""The true answer, found in a slow way: ranks are set onto machines one by one, by their raw numbers.

It shares nothing with the code under test but the description of the world.
"""

from collections.abc import Iterable

from tests.unit.feasibility.worlds import LATENCY, Machine, Wanted, World


def answer_in(world: World, block: str) -> str:
    """The answer for one block, placement included."""
    wanted = world.wanted
    if wanted.equivalents % world.per_device:
        return "Never"
    if wanted.block not in (None, block) or not _near(wanted, block):
        return "Never"
    there = [
        index
        for index, each in enumerate(world.machines)
        if each.kind == wanted.kind and each.devices and block in ("cluster", each.row)
    ]
    if _hold(world, there, empty=True) < wanted.ranks:
        return "Never"
    usable = [index for index in there if world.machines[index].usable]
    return "Yes" if _hold(world, usable, empty=False) >= wanted.ranks else "NotNow"


def answer(world: World) -> str:
    wanted = world.wanted
    if wanted.block is None and wanted.latency is None:
        return answer_in(world, "cluster")
    found = {answer_in(world, block) for block in LATENCY}
    return next(each for each in ("Yes", "NotNow", "Never") if each in found)


def _near(wanted: Wanted, block: str) -> bool:
    stated = LATENCY[block]
    return wanted.latency is None or (stated is not None and stated <= wanted.latency)


def _hold(world: World, machines: Iterable[int], *, empty: bool) -> int:
    """How many ranks find a place, if nobody else comes."""
    placed = 0
    for index in machines:
        left = _left(world, index, empty=empty)
        while _takes_one(left, world):
            placed += 1
    return placed


def _left(world: World, index: int, *, empty: bool) -> list[int]:
    each: Machine = world.machines[index]
    left = [each.devices, each.memory, each.milli, each.pods]
    for tenant in () if empty else world.tenants:
        if tenant.machine == index:
            for place, taken in enumerate((tenant.devices, tenant.memory, tenant.milli, 1)):
                left[place] -= taken
    return left


def _takes_one(left: list[int], world: World) -> bool:
    wanted = world.wanted
    asked = (wanted.equivalents // world.per_device, wanted.memory, wanted.milli, 1)
    if any(there < needed for there, needed in zip(left, asked, strict=True) if needed):
        return False
    for place, needed in enumerate(asked):
        left[place] -= needed
    return True
