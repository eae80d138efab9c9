"""Writes durations, sizes and causes for people. Pure."""

import re
from datetime import datetime

from stargate_api.job_status import JobStatus
from stargate_types.position import Position
from stargate_types.status import AttemptStatus

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIGNALS = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}

CAUSES = {
    "Succeeded": "succeeded",
    "OOMKilled": "ran out of memory",
    "Signal": "was killed",
    "Exit": "exited",
    "NodeLost": "lost its node",
    "NodeReturned": "came back with a node that was given up",
    "Evicted": "was evicted by its node",
    "Preempted": "was preempted by other work",
    "Deleted": "was deleted by hand",
    "Rejected": "was rejected by its node",
    "NotSupported": "asks for what its node does not support",
    "LimitExceeded": "exceeded its own storage limit",
    "CannotStart": "could not start",
    "Hang": "fell silent",
    "CheckpointDamaged": "its checkpoint was damaged",
    "RuntimeChanged": "the runtime or hardware class changed before it had started",
    "StartTimeout": "not every rank got a node in time, so all gave theirs back",
    "Yielded": "gave its nodes to an older job",
    "Suspended": "suspended",
    "DeadlineExceeded": "the deadline passed",
}
"""A verb phrase for each cause; its subject is the rank, or the attempt where no rank is named."""

_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_ESCAPES = _CONTROLS | {0x7F: "␡"} | dict.fromkeys(range(0x80, 0xA0), "�")


def escape_controls(text: str) -> str:
    """The text with control characters replaced, because anybody may write a name or a message.

    A terminal would obey them. Newlines and tabs stay.
    """
    return text.translate(_ESCAPES)


def duration(seconds: float) -> str:
    """A duration in at most two units: `2d 3h`, `4m 12s`, `8s`."""
    left, parts = max(0, round(seconds)), list[str]()
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def since(moment: datetime | None, now: datetime) -> str:
    """The duration from a moment until now; empty where there is no moment."""
    return duration((now - moment).total_seconds()) if moment else ""


def size(size_bytes: int) -> str:
    """A number of bytes in binary units: `68 GiB`."""
    value, unit = float(size_bytes), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_SIZES[unit]}"


def plural(count: int, thing: str) -> str:
    """A count with its noun: `1 worker`, `8,000 workers`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def split_words(reason: str) -> str:
    """A condition's reason as words: `CreatingGang` becomes `creating gang`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", reason).lower()


def percent(value: float | None) -> str:
    """`57 %`; empty where the value is unknown."""
    return "" if value is None else f"{value:g} %"


def reached(status: JobStatus) -> str:
    """How far the training is: `epoch 3 of 100`, `epoch 0 of 1, step 3,000 of 500,000`."""
    if status.epoch is None:
        return ""
    words = f"epoch {status.epoch:,} of {status.epochs:,}"
    return ", ".join(filter(None, [words, steps(status)]))


def steps(status: JobStatus) -> str:
    """`step 3,000 of 500,000`; empty where the trainer counts epochs alone."""
    if status.step is None:
        return ""
    total = f" of {status.total_steps:,}" if status.total_steps else ""
    return f"step {status.step:,}{total}"


def position(found: Position) -> str:
    """The number of the epoch, and of the step where it is known: `45`, `0 step 3,000`."""
    return f"{found.epoch}" + ("" if found.step is None else f" step {found.step:,}")


def ended_because(attempt: AttemptStatus) -> str:
    """Why an attempt ended: `rank 2 on node-17 ran out of memory (exit code 137)`."""
    if attempt.cause is None:
        return ""
    cause = CAUSES.get(attempt.cause, str(attempt.cause))
    if attempt.rank is None:
        return cause
    where = f" on {attempt.node}" if attempt.node else ""
    return f"rank {attempt.rank}{where} {cause}{_exit_code(attempt)}"


def _exit_code(attempt: AttemptStatus) -> str:
    code = attempt.exit_code
    if not code:
        return ""
    signal = _SIGNALS.get(code - 128)
    return f" (exit code {code}, {signal})" if signal else f" (exit code {code})"


def one_line(status: JobStatus) -> str:
    """The state of a job in one line, for a pipe; a terminal shows a screen instead."""
    parts = [status.state]
    if status.epoch is not None:
        parts.append(f"{reached(status)} ({percent(status.progress)})")
    if status.checkpoint is not None:
        parts.append(f"checkpoint {position(status.checkpoint.position)}")
    if status.workers.desired and not status.finished:
        parts.append(f"{status.nodes_running:,} of {status.nodes:,} nodes run")
    if status.attempt > 1:
        parts.append(f"attempt {status.attempt}")
    if status.message and not status.finished:
        parts.append(status.message)
    return ", ".join(parts)
