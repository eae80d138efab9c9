"""Judges if a gang fits into one block. The operator places by this rule; the client answers by it.

See docs/decisions/0026-never-is-judged-by-all-machines.md.
"""

from collections.abc import Iterable

from stargate_feasibility.answer import Answer, BlockAnswer
from stargate_feasibility.need import Need
from stargate_feasibility.reasons import Reason, Reasons
from stargate_feasibility.resolution import listed
from stargate_feasibility.supply import Groups, Supply, workers_on
from stargate_types import ComputeBlock
from stargate_types.job_policies import Placement

_NODES = "spec.resourceAllocation.nodes"
_LATENCY = "spec.scheduling.placement.maxLatencyMs"
_BLOCK = "spec.scheduling.placement.computeBlock"


def judge(
    block: ComputeBlock,
    need: Need,
    placement: Placement | None,
    *,
    supply: Supply | None,
    taken: int = 0,
) -> BlockAnswer:
    """The answer for one block.

    `supply` is what the block offers of the hardware, None where it has none. `taken` is the number
    of workers that were placed into the block and are not on a node yet.
    """
    name = block.metadata.name
    refused = _not_asked_for(block, placement) or _too_slow(block, placement)
    if refused is not None:
        return BlockAnswer(name, Answer.NEVER, (refused,))
    if supply is None:
        return BlockAnswer(name, *_no_hardware(block, need))
    return fit(name, need, supply, taken=taken)


def told_supply(block: ComputeBlock, accelerator_type: str) -> Supply | None:
    """The supply that the block's status states; None where it has none of this hardware."""
    for capacity in block.status.accelerators:
        if capacity.accelerator_type == accelerator_type:
            return Supply.told_by(capacity)
    return None


def fit(name: str, need: Need, supply: Supply, *, taken: int = 0) -> BlockAnswer:
    """The answer by numbers alone. `taken` workers reduce the room that there is now."""
    room = max(0, workers_on(supply.free, need) - taken)
    if not supply.machines:  # the tool that writes the status states only what is free
        capacity, never = None, None
    else:
        capacity = workers_on(supply.machines, need)
        never = never_fits(need, supply.machines, capacity)
    if never is not None:
        return BlockAnswer(name, Answer.NEVER, (never,), room, capacity)
    if room < need.ranks:
        return BlockAnswer(
            name, Answer.NOT_NOW, (_not_enough(need, room, capacity),), room, capacity
        )
    return BlockAnswer(name, Answer.YES, (), room, capacity)


def never_fits(need: Need, machines: Groups, capacity: int) -> Reason | None:
    """Why the gang does not fit even where nothing else runs; None where it does."""
    if capacity >= need.ranks:
        return None
    if capacity:
        message = f"{_NODES}: {need.ranks} workers, and room for {capacity} if nothing else ran"
        return Reason(Reasons.TOO_FEW_NODES, message, _NODES, need.ranks, capacity)
    return _node_too_small(need, machines)


def _node_too_small(need: Need, machines: Groups) -> Reason:
    """The first resource of which no node has enough."""
    devices = max((kind.devices for kind in machines), default=0)
    memory = max((_or_enough(kind.memory_gb, need.memory_gb) for kind in machines), default=0)
    cpus = max((_cpus(kind.milli_cpus, need) for kind in machines), default=0.0)
    if devices < need.devices:
        field = "spec.resourceAllocation.gpuEquivalentsPerNode"
        message = f"{field}: {need.devices} devices > {devices} on any one node"
        return Reason(Reasons.NODE_TOO_SMALL, message, field, need.devices, devices)
    if memory < need.memory_gb:
        field = "spec.resourceAllocation.memoryGbPerNode"
        message = f"{field}: {need.memory_gb}G > {memory}G allocatable on any one node"
        return Reason(Reasons.NODE_TOO_SMALL, message, field, need.memory_gb, memory)
    if cpus < need.cpus:
        field = "spec.template.cpu"
        message = f"{field}: {need.cpus:f} CPUs > {cpus:g} allocatable on any one node"
        return Reason(Reasons.NODE_TOO_SMALL, message, field, float(need.cpus), cpus)
    message = "no node has all of it: devices, memory, CPUs and the class's extraResources"
    return Reason(Reasons.NODE_TOO_SMALL, message, "spec.resourceAllocation")


def _or_enough(number: int | None, enough: int) -> int:
    return enough if number is None else number


def _cpus(milli: int | None, need: Need) -> float:
    return float(need.cpus) if milli is None else milli / 1000


def _not_enough(need: Need, room: int, capacity: int | None) -> Reason:
    free = f"{room} of {need.ranks} workers"
    message = f"{_NODES}: room for {free} now"
    if capacity is not None:
        message += f", for {capacity} if nothing else ran"
    return Reason(Reasons.NOT_ENOUGH_FREE, message, _NODES, need.ranks, room)


def _not_asked_for(block: ComputeBlock, placement: Placement | None) -> Reason | None:
    asked = placement.compute_block if placement else None
    if asked is None or asked == block.metadata.name:
        return None
    return Reason(Reasons.ANOTHER_BLOCK, f"{_BLOCK}: the job asks for {asked!r}", _BLOCK)


def _too_slow(block: ComputeBlock, placement: Placement | None) -> Reason | None:
    asked = placement.max_latency_ms if placement else None
    stated = block.spec.max_latency_ms
    if asked is None or (stated is not None and stated <= asked):
        return None
    if stated is None:
        message = f"{_LATENCY}: the block states no latency, so it promises none <= {asked:g} ms"
        return Reason(Reasons.LATENCY_NOT_STATED, message, _LATENCY, asked)
    message = f"{_LATENCY}: {stated:g} ms > {asked:g} ms"
    return Reason(Reasons.LATENCY_TOO_HIGH, message, _LATENCY, asked, stated)


def _no_hardware(block: ComputeBlock, need: Need) -> tuple[Answer, tuple[Reason, ...]]:
    if block.status.observed_time is None:
        message = "the block has not been counted yet"
        return Answer.NOT_NOW, (Reason(Reasons.NOT_COUNTED, message),)
    has = listed(capacity.accelerator_type for capacity in block.status.accelerators)
    field = "spec.acceleratorType"
    message = f"{field}: no node has {need.accelerator_type}; the block has {has or 'no hardware'}"
    return Answer.NEVER, (Reason(Reasons.NO_SUCH_HARDWARE, message, field),)


def best(answers: Iterable[BlockAnswer]) -> Answer:
    """The best of the answers; NEVER where there are none."""
    found_answers = (found.answer for found in answers)
    return min(found_answers, key=lambda answer: answer.severity, default=Answer.NEVER)
