"""Lays out jobs and compute blocks in columns, as kubectl does. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from stargate_api.cli.humanize import duration, since
from stargate_api.compute import AvailableCompute
from stargate_api.job_status import JobStatus
from stargate_feasibility import Answer, BlockAnswer, Feasibility
from stargate_types.block import AcceleratorCapacity

_JOBS = ("NAME", "PHASE", "READY", "EPOCH", "PERCENT", "CHECKPOINT", "RESTARTS", "AGE")
_JOBS_WIDE = ("STEP", "CHECKPOINT-STEP", "REMAINING", "ATTEMPT", "MODEL", "ACCELERATOR", "GOODPUT")
_BLOCKS = ("BLOCK", "ACCELERATOR", "FREE", "NODES", "FREE-GPU", "LATENCY", "BANDWIDTH")
_BLOCKS_WIDE = ("PUE", "MEMORY", "FREE-DEVICES", "COUNTED")
_ANSWERS = ("BLOCK", "ANSWER", "ROOM", "CAPACITY", "WHY")
ANSWERS = {Answer.YES: "Yes", Answer.NOT_NOW: "Not now", Answer.NEVER: "Never"}
Table = list[list[str]]
"""Rows of cells; the first row is the header."""


def jobs(found: Iterable[JobStatus], now: datetime, *, wide: bool, namespaces: bool) -> Table:
    """One row a job."""
    header = [*(("NAMESPACE",) if namespaces else ()), *_JOBS, *(_JOBS_WIDE if wide else ())]
    rows = [
        [
            *((job.namespace,) if namespaces else ()),
            *_job(job, now),
            *(_job_wide(job) if wide else ()),
        ]
        for job in found
    ]
    return [header, *rows]


def blocks(found: Iterable[AvailableCompute], now: datetime, *, wide: bool) -> Table:
    """One row for each accelerator type of a block."""
    rows = [
        [*_block(block, capacity), *(_block_wide(block, capacity, now) if wide else ())]
        for block in found
        for capacity in _capacities(block)
    ]
    return [[*_BLOCKS, *(_BLOCKS_WIDE if wide else ())], *rows]


def answers(found: Iterable[BlockAnswer]) -> Table:
    """One row for each block's answer of a check."""
    rows = [
        [
            answer.block,
            ANSWERS[answer.answer].lower(),
            _or_dash(answer.room),
            _or_dash(answer.capacity),
            "; ".join(reason.message for reason in answer.reasons) or "-",
        ]
        for answer in found
    ]
    return [list(_ANSWERS), *rows]


def feasibility(found: Feasibility) -> list[str]:
    """The lines of a check: the answer, its reasons and assumptions, and the table of blocks."""
    headings = {
        Answer.YES: "Yes: it would start now.",
        Answer.NOT_NOW: "Not now:",
        Answer.NEVER: "Never, as the job and the cluster are:",
    }
    lines = [headings[found.answer], *(f"  {reason.message}" for reason in found.reasons)]
    lines += [f"This assumes {assumption}." for assumption in found.assumptions]
    return [*lines, "", *columns(answers(found.blocks))] if found.blocks else lines


def columns(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table. Columns are three spaces apart; no line ends in white space."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _job(status: JobStatus, now: datetime) -> list[str]:
    return [
        status.name,
        status.state,
        f"{status.workers.ready}/{status.nodes}",
        _or_dash(status.epoch),
        _or_dash(status.progress),
        _or_dash(status.checkpoint_epoch),
        str(status.restarts),
        since(status.job.metadata.creation_timestamp, now).replace(" ", "") or "-",
    ]


def _job_wide(status: JobStatus) -> list[str]:
    left = status.estimated_remaining_seconds
    return [
        _or_dash(status.step),
        _or_dash(status.checkpoint_step),
        "-" if left is None else duration(left).replace(" ", ""),
        str(status.attempt),
        status.job.spec.model_name,
        status.job.spec.accelerator_type,
        f"{status.goodput.ratio:.0%}" if status.goodput and status.attempt else "-",
    ]


def _capacities(block: AvailableCompute) -> Iterable[AcceleratorCapacity | None]:
    """The block's accelerator types; None stands for a block that was never counted."""
    return block.accelerators or [None]


def _block(block: AvailableCompute, capacity: AcceleratorCapacity | None) -> list[str]:
    return [
        block.name,
        capacity.accelerator_type if capacity else "-",
        str(capacity.free_nodes) if capacity else "-",
        str(capacity.nodes) if capacity else "-",
        str(capacity.free_gpu_equivalents) if capacity else "-",
        "-" if block.latency_ms is None else f"{block.latency_ms:g}ms",
        "-" if block.bandwidth_gbps is None else f"{block.bandwidth_gbps:g}Gb/s",
    ]


def _block_wide(
    block: AvailableCompute, capacity: AcceleratorCapacity | None, now: datetime
) -> list[str]:
    return [
        _or_dash(block.pue),
        f"{capacity.allocatable_memory_gb}GB" if capacity else "-",
        _histogram(capacity) if capacity else "-",
        f"{since(block.observed_time, now)} ago" if block.observed_time else "never",
    ]


def _histogram(capacity: AcceleratorCapacity) -> str:
    """`120×8,30×4`: 120 nodes with 8 free devices, 30 with 4."""
    nodes = Counter[int]()
    for entry in capacity.histogram:
        nodes[entry.devices] += entry.nodes
    return ",".join(f"{nodes[free]}×{free}" for free in sorted(nodes, reverse=True)) or "-"


def _or_dash(value: float | None) -> str:
    """Whole numbers in full, others in six digits."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:g}"
