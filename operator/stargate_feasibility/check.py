"""Answers, before a job is submitted, whether it can run, in which block, and if not, why."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stargate_feasibility.answer import Answer, BlockAnswer, Feasibility
from stargate_feasibility.need import Need, need_of
from stargate_feasibility.quota import Quota, judge_quota
from stargate_feasibility.reasons import Reason, Reasons
from stargate_feasibility.resolution import Refusal, existing, resolve
from stargate_feasibility.verdict import best, judge, told_supply
from stargate_types import AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime
from stargate_types.job_policies import Placement


def check(
    job: StargateJob,
    *,
    blocks: Iterable[ComputeBlock],
    classes: Iterable[AcceleratorClass],
    runtimes: Iterable[StargateRuntime],
    quotas: Iterable[Quota] = (),
) -> Feasibility:
    """Answers if the job would start now, later or never. `quotas` are those of its namespace."""
    resolution = resolve(job, runtimes=runtimes, classes=classes)
    if isinstance(resolution, Refusal):
        return Feasibility(Answer.NEVER, (Reason(resolution.reason, resolution.message),))
    need, placement = need_of(job, resolution), job.placement
    known = sorted(blocks, key=lambda block: block.metadata.name)
    answers = tuple(_judged(block, need, placement) for block in known)
    return _together(
        [*_by_quotas(quotas, need), _by_blocks(known, answers, placement)],
        blocks=answers,
        assumptions=_assumptions(placement),
    )


def _judged(block: ComputeBlock, need: Need, placement: Placement | None) -> BlockAnswer:
    supply = told_supply(block, need.accelerator_type)
    return judge(block, need, placement, supply=supply)


Judged = tuple[Answer, tuple[Reason, ...]]


def _by_blocks(
    blocks: list[ComputeBlock], answers: tuple[BlockAnswer, ...], placement: Placement | None
) -> Judged:
    if not blocks:
        message = "there is no ComputeBlock, so nothing states what is free"
        found = Answer.NEVER if placement else Answer.NOT_NOW
        return found, (Reason(Reasons.BLOCK_NOT_FOUND, message),)
    if placement is None:
        return _anywhere(blocks, answers)
    missing = missing_block(blocks, placement)
    if missing is not None:
        return Answer.NEVER, (missing,)
    found = best(answers)
    return found, () if found is Answer.YES else _of(answers, found)


def missing_block(blocks: Sequence[ComputeBlock], placement: Placement) -> Reason | None:
    """The reason that the named block does not exist; None where it does, or where none is named."""
    names = [block.metadata.name for block in blocks]
    asked = placement.compute_block
    if asked is None or asked in names:
        return None
    field = "spec.scheduling.placement.computeBlock"
    message = f"{field}: there is no ComputeBlock {asked!r}; {existing(names, instead_of=asked)}"
    return Reason(Reasons.BLOCK_NOT_FOUND, message, field)


def _anywhere(blocks: list[ComputeBlock], answers: tuple[BlockAnswer, ...]) -> Judged:
    """A gang without placement may span blocks, so the block that covers all nodes decides."""
    for block, answer in zip(blocks, answers, strict=True):
        if not block.spec.node_selector:
            return answer.answer, answer.reasons
    if best(answers) is Answer.YES:
        return Answer.YES, ()
    message = (
        "it fits into no single block, and no block covers all nodes (a block without nodeSelector)"
    )
    return Answer.NOT_NOW, (Reason(Reasons.NO_BLOCK_FITS, message),)


def _of(answers: tuple[BlockAnswer, ...], wanted: Answer) -> tuple[Reason, ...]:
    """The reasons of the blocks with this answer, each with its block's name."""
    return tuple(
        replace(reason, message=f"{answer.block}: {reason.message}")
        for answer in answers
        if answer.answer is wanted
        for reason in answer.reasons
        if reason.reason != Reasons.ANOTHER_BLOCK
    )


def _by_quotas(quotas: Iterable[Quota], need: Need) -> list[Judged]:
    return [(answer, (reason,)) for quota in quotas for answer, reason in judge_quota(quota, need)]


def _together(
    judged: list[Judged], *, blocks: tuple[BlockAnswer, ...], assumptions: tuple[str, ...]
) -> Feasibility:
    worst = max((answer for answer, _ in judged), key=lambda answer: answer.severity)
    reasons = tuple(reason for _, found in judged for reason in found)
    return Feasibility(worst, reasons, blocks, assumptions)


def _assumptions(placement: Placement | None) -> tuple[str, ...]:
    if placement is None or placement.topology_key is None:
        return ()
    return (
        f"that all these nodes have one value of the label {placement.topology_key}: blocks do not"
        " state how nodes are spread over topology domains",
    )
