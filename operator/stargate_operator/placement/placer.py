"""Chooses the compute block of a gang, and the topology domain inside the block.

It chooses once, when an attempt is resolved, and the attempt records it. The attempt's own pods then
take the room, so a second choice for them would be wrong. Among the blocks that fit it takes the one
with the least room left over, so that large blocks stay free for large gangs.

See docs/decisions/0028-a-place-is-chosen-once-an-attempt.md.
See docs/decisions/0029-a-job-that-does-not-fit-keeps-its-pods.md.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from stargate_feasibility.answer import Answer, BlockAnswer
from stargate_feasibility.check import missing_block
from stargate_feasibility.need import Need, need_of
from stargate_feasibility.reasons import Reason
from stargate_feasibility.supply import Supply, workers_on
from stargate_feasibility.verdict import best, fit, judge, never_fits, told_supply
from stargate_operator.constants import Reasons
from stargate_operator.model.assessment import Assessment
from stargate_operator.model.blueprint import Blueprint, Place, Refusal
from stargate_operator.placement.fleet import Fleet
from stargate_types import ComputeBlock, StargateJob
from stargate_types.job_policies import Placement
from stargate_types.status import AttemptStatus, Phase

_CAPACITY_IS_KNOWN_FOR = 30.0
"""Seconds. The set of nodes changes seldom."""
_NAMED_AT_MOST = 5


class Blocks(Protocol):
    """The compute blocks of the cluster; the catalog of the informers is one."""

    @property
    def blocks(self) -> tuple[ComputeBlock, ...]: ...


class Placer:
    """Chooses the compute block and the topology domain of a job's next attempt."""

    def __init__(self, fleet: Fleet, catalog: Blocks, jobs: Iterable[StargateJob]) -> None:
        self._fleet = fleet
        self._catalog = catalog
        self._jobs = jobs

    def assess(
        self, job: StargateJob, blueprint: Blueprint | Refusal, *, short_of_nodes: bool
    ) -> Assessment:
        """How the gang fits into the cluster now. The reconciler asks once in each pass.

        Counting nodes is costly, so room is looked for only if the gang waits for it, and its limits
        only if the scheduler has found no node for a rank (`short_of_nodes`).
        """
        placed = blueprint if isinstance(blueprint, Refusal) else self._placed(job, blueprint)
        if isinstance(placed, Refusal):
            return Assessment(placed)
        return Assessment(
            placed,
            has_room=_waits_for_room(job) and self._has_room(job, placed),
            never_fits=self._never_fits(job, placed) if short_of_nodes else "",
        )

    def _placed(self, job: StargateJob, blueprint: Blueprint) -> Blueprint | Refusal:
        """The blueprint at a block, if the job asks for one. The current attempt keeps its block."""
        if job.placement is None or blueprint.place is not None:
            return blueprint
        attempt = job.current_attempt
        if attempt is not None and attempt.accelerator_class is not None:
            return self._recorded(attempt, blueprint)
        return self._chosen(job, job.placement, blueprint)

    def _never_fits(self, job: StargateJob, blueprint: Blueprint) -> str:
        """Why the gang cannot fit onto the nodes that there are, whatever else runs. Empty if it can."""
        block = blueprint.place.block if blueprint.place else None
        counted = self._fleet.count(block, blueprint.accelerator, fresh=_CAPACITY_IS_KNOWN_FOR)
        need, machines = need_of(job, blueprint), counted.machines
        reason = never_fits(need, machines, workers_on(machines, need))
        return reason.message if reason else ""

    def _has_room(self, job: StargateJob, blueprint: Blueprint) -> bool:
        """True if all ranks of the gang would find nodes at this moment."""
        if blueprint.place is not None:
            return True
        counted = self._fleet.count(None, blueprint.accelerator)
        return fit("", need_of(job, blueprint), counted.supply).answer is Answer.YES

    def _recorded(self, attempt: AttemptStatus, blueprint: Blueprint) -> Blueprint | Refusal:
        if attempt.block is None:
            return blueprint
        name = attempt.block.partition("/")[0]
        for block in self._catalog.blocks:
            if block.metadata.name == name:
                key, _, value = (attempt.domain or "").partition("=")
                return blueprint.at(Place(block, (key, value) if key else None))
        return Refusal(Reasons.BLOCK_NOT_FOUND, f"ComputeBlock {name!r} was deleted")

    def _chosen(
        self, job: StargateJob, placement: Placement, blueprint: Blueprint
    ) -> Blueprint | Refusal:
        missing = missing_block(self._catalog.blocks, placement)
        if missing is not None:
            return Refusal(missing.reason, missing.message)
        need = need_of(job, blueprint)
        offers = [self._offer(job, block, need, blueprint) for block in self._catalog.blocks]
        fitting = [offer for offer in offers if offer.answer.answer is Answer.YES]
        if not fitting:
            return _refusal([offer.answer for offer in offers], need)
        return blueprint.at(min(fitting, key=lambda offer: offer.preference).place)

    def _offer(
        self, job: StargateJob, block: ComputeBlock, need: Need, blueprint: Blueprint
    ) -> "_Offer":
        supply, taken = self._supply(block, blueprint), self._arriving(block, job)
        answer = judge(block, need, job.placement, supply=supply, taken=taken)
        key = job.placement.topology_key if job.placement else None
        if key is None or answer.answer is not Answer.YES:
            return _Offer(answer, Place(block))
        return self._in_one_domain(answer, block, need, blueprint, key)

    def _supply(self, block: ComputeBlock, blueprint: Blueprint) -> Supply | None:
        """The block's free nodes: as its status says if others count it, else as counted now."""
        if block.spec.accounting == "External":
            return told_supply(block, blueprint.accelerator.spec.accelerator_type)
        counted = self._fleet.count(block, blueprint.accelerator)
        return counted.supply if counted.machines else None

    def _in_one_domain(
        self, answer: BlockAnswer, block: ComputeBlock, need: Need, blueprint: Blueprint, key: str
    ) -> "_Offer":
        fits = [
            (fit(block.metadata.name, need, counted.supply), domain)
            for domain in self._fleet.domains(block, key)
            if (counted := self._fleet.count(block, blueprint.accelerator, domain=domain)).machines
        ]
        fitting = [
            _Offer(found, Place(block, domain))
            for found, domain in fits
            if found.answer is Answer.YES
        ]
        if fitting:
            return min(fitting, key=lambda offer: offer.preference)
        worst = best(found for found, _ in fits)
        field = "spec.scheduling.placement.topologyKey"
        message = f"{field}: no one {key} has room for {need.ranks} workers"
        message += " now" if worst is Answer.NOT_NOW else ""
        reason = Reason(Reasons.NO_ROOM_IN_DOMAIN, message, field, need.ranks)
        return _Offer(replace(answer, answer=worst, reasons=(reason,)), Place(block))

    def _arriving(self, block: ComputeBlock, job: StargateJob) -> int:
        """Number of workers of other gangs that were put into the block and have no node yet."""
        return sum(
            max(
                0,
                other.current_world_size
                - (other.status.workers.scheduled if other.status.workers else 0),
            )
            for other in self._jobs
            if other.uid != job.uid and _is_starting_in(other, block.metadata.name)
        )


class _Offer:
    def __init__(self, answer: BlockAnswer, place: Place) -> None:
        self.answer = answer
        self.place = place

    @property
    def preference(self) -> tuple[float, float, str]:
        block = self.place.block
        latency = block.spec.max_latency_ms
        unknown = float("inf") if latency is None else latency
        return float(self.answer.room or 0), unknown, block.metadata.name


def _waits_for_room(job: StargateJob) -> bool:
    """Its pods are not made yet, because there was no room for all of them."""
    attempt = job.current_attempt
    if job.status.phase is not Phase.QUEUED or attempt is None:
        return False
    return attempt.accelerator_class is None


def _is_starting_in(job: StargateJob, block: str) -> bool:
    attempt = job.current_attempt
    if job.status.phase is not Phase.STARTING or attempt is None or attempt.block is None:
        return False
    return attempt.block.partition("/")[0] == block


def _refusal(answers: list[BlockAnswer], need: Need) -> Refusal:
    """Why no block is chosen. The message goes into a condition, so it has no
    number that changes with every pod."""
    waiting = [answer.block for answer in answers if answer.answer is Answer.NOT_NOW]
    never = [
        f"{answer.block}: {reason.message}"
        for answer in answers
        if answer.answer is Answer.NEVER
        for reason in answer.reasons
        if reason.reason != Reasons.ANOTHER_BLOCK
    ]
    if not waiting:
        return Refusal(Reasons.NO_BLOCK_FITS, f"fits into no ComputeBlock: {_some(never)}")
    message = f"waits for room for {need.ranks} workers in ComputeBlock {_some(waiting, ' or ')}"
    if never:
        message += f"; it can never fit into {_some(never)}"
    return Refusal(Reasons.NO_BLOCK_FITS, message, waits=True)


def _some(found: Iterable[str], joint: str = "; ") -> str:
    known = sorted(found)
    more = f"{joint}{len(known) - _NAMED_AT_MOST} more" if len(known) > _NAMED_AT_MOST else ""
    return (joint.join(known[:_NAMED_AT_MOST]) or "there is none") + more
