"""Lays out one job on one screen. Pure: a status and a time in, a renderable out.

Every number comes from the resource. Colours only repeat what the text says.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stargate_api.cli.humanize import (
    duration,
    ended_because,
    percent,
    plural,
    position,
    since,
    size,
    split_words,
    steps,
)
from stargate_api.job_status import JobStatus
from stargate_types.position import START
from stargate_types.status import AttemptStatus, Condition, Phase

WIDTH = 100
COLOURS = {
    Phase.PENDING: "yellow",
    Phase.QUEUED: "yellow",
    Phase.STARTING: "cyan",
    Phase.RUNNING: "green",
    Phase.RESTARTING: "yellow",
    Phase.SUSPENDED: "blue",
    Phase.SUCCEEDED: "bold green",
    Phase.FAILED: "bold red",
}
_BAR = 40
_LOG_LINES = 3
"""Lines shown after the first one of an attempt's message: they may be the worker's log."""
_SHOWN_ATTEMPTS = 5

Row = tuple[str, RenderableType]


def screen(status: JobStatus, now: datetime) -> RenderableType:
    """The whole screen: heading, facts, attempts and conditions."""
    parts = [_heading(status, now), Padding(_rows(_facts(status, now)), (1, 0, 0, 2))]
    if status.attempts:
        parts.append(_section("attempts", _attempts(status, now)))
    if status.conditions:
        parts.append(_section("conditions", _conditions(status, now)))
    return Group(*parts)


def _heading(status: JobStatus, now: datetime) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    line.add_row(Text(status.job_id, style="bold"), phase(status))
    line.add_row(Text(_what(status), style="dim"), Text(_age(status, now), style="dim"))
    return line


def phase(status: JobStatus) -> Text:
    """The phase in its colour."""
    return Text(status.state, style=COLOURS.get(status.phase, ""))


def _what(status: JobStatus) -> str:
    spec = status.job.spec
    allocation = spec.resource_allocation
    return (
        f"{spec.model_name} on {allocation.nodes:,} × {allocation.gpu_equivalents_per_node}"
        f" {spec.accelerator_type}, {allocation.memory_gb_per_node} GB each"
    )


def _age(status: JobStatus, now: datetime) -> str:
    if status.completion_time:
        return f"ended {since(status.completion_time, now)} ago"
    created = status.job.metadata.creation_timestamp
    return f"{since(created, now)} old" if created else ""


def _facts(status: JobStatus, now: datetime) -> Iterator[Row]:
    if status.message:
        yield "why", Text(status.message)
    yield "gang", _gang(status)
    yield "progress", _progress(status, now)
    yield from _steps(status)
    yield from _metrics(status, now)
    yield "checkpoints", _checkpoints(status, now)
    yield from _goodput(status)
    yield from _energy(status)
    yield from _deadline(status, now)


def _gang(status: JobStatus) -> str:
    workers = status.workers
    if not workers.created and not status.finished:
        return f"none of {plural(status.nodes, 'worker')} created"
    if status.finished or workers.succeeded:
        ended = f"{workers.succeeded:,} of {workers.desired:,} succeeded"
        return ended + (f", {workers.failed:,} failed" if workers.failed else "")
    if workers.running == workers.desired:
        return f"all {plural(workers.desired, 'worker')} running"
    return (
        f"{workers.running:,} of {plural(workers.desired, 'worker')} running,"
        f" {workers.scheduled:,} have a node, {workers.created:,} created"
    )


def _progress(status: JobStatus, now: datetime) -> RenderableType:
    if status.progress is None:
        return Text("no report yet", style="dim")
    line = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=100,
        completed=status.progress,
        width=_BAR,
        style="grey30",
        complete_style="cyan",
        finished_style="green",
    )
    words = f"{percent(status.progress)}, epoch {status.epoch:,} of {status.epochs:,}"
    line.add_row(bar, Text(words + _remaining(status, now)))
    return line


def _steps(status: JobStatus) -> Iterator[Row]:
    if status.step is not None:
        yield "", Text(steps(status) + _speed(status))


def _speed(status: JobStatus) -> str:
    rate = status.steps_per_second
    return "" if rate is None or status.phase is not Phase.RUNNING else f", {rate:,.3g} steps/s"


def _remaining(status: JobStatus, now: datetime) -> str:
    left = status.estimated_remaining_seconds
    if left is None or status.phase is not Phase.RUNNING:
        return ""
    done = now + timedelta(seconds=left)
    day = "" if done.date() == now.date() else f"{done:%a} "
    return f", {duration(left)} left ({day}{done:%H:%M})"


def _metrics(status: JobStatus, now: datetime) -> Iterator[Row]:
    if status.metrics:
        values = " · ".join(f"{name} {value:,.6g}" for name, value in status.metrics.items())
        progress = status.job.status.progress
        ago = since(progress.last_report_time, now) if progress else ""
        yield "", Text(values + (f"  ({ago} ago)" if ago and not status.finished else ""))


def _checkpoints(status: JobStatus, now: datetime) -> RenderableType:
    found, latest = status.job.status.checkpoints, status.checkpoint
    if found is None or latest is None:
        advice = "" if status.finished else " yet: a restart would begin at epoch 0"
        return Text(f"none{advice}", style="dim")
    weight = f", {size(latest.size_bytes)}" if latest.size_bytes else ""
    complete = [c for c in found.history if c.state == "Complete" and c is not latest]
    older = [position(c.position) for c in complete]
    damaged = [position(c.position) for c in found.history if c.state == "Damaged"]
    words = Text(f"epoch {position(latest.position)}{weight}, {since(latest.time, now)} ago")
    words.append(f"; older {', '.join(older)}" if older else "")
    words.append(f"; damaged {', '.join(damaged)}" if damaged else "", style="red")
    words.append(f"\n{latest.uri}", style="dim")
    return words


def _goodput(status: JobStatus) -> Iterator[Row]:
    goodput = status.goodput
    if goodput and goodput.productive_seconds + goodput.starting_seconds > 0:
        parts = [
            ("training", goodput.productive_seconds),
            ("starting", goodput.starting_seconds),
            ("lost", goodput.lost_seconds),
            ("restarting", goodput.restarting_seconds),
        ]
        shares = " · ".join(f"{name} {duration(value)}" for name, value in parts if value >= 0.5)
        yield "goodput", f"{goodput.ratio:.0%}  {shares}"


def _energy(status: JobStatus) -> Iterator[Row]:
    energy = status.energy
    if energy and energy.kwh > 0:
        kind = "estimated, " if energy.estimated else ""
        digits = 0 if energy.kwh >= 100 else 2
        yield "energy", f"{energy.kwh:,.{digits}f} kWh ({kind}PUE {energy.pue:g})"


def _deadline(status: JobStatus, now: datetime) -> Iterator[Row]:
    seconds, start = status.job.spec.active_deadline_seconds, status.start_time
    if seconds and start and not status.finished:
        left = (start + timedelta(seconds=seconds) - now).total_seconds()
        yield "deadline", f"in {duration(left)}"


def _attempts(status: JobStatus, now: datetime) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for attempt in status.attempts[-_SHOWN_ATTEMPTS:]:
        table.add_row(
            str(attempt.number),
            _clock(attempt.start, now),
            _ran(attempt, now),
            _outcome(attempt, status),
        )
    return table


def _clock(moment: datetime, now: datetime) -> str:
    local = moment.astimezone(now.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%d %b %H:%M}"


def _ran(attempt: AttemptStatus, now: datetime) -> str:
    if attempt.running is None:
        return "never ran" if attempt.end else ""
    return f"ran {duration(((attempt.end or now) - attempt.running).total_seconds())}"


def _outcome(attempt: AttemptStatus, status: JobStatus) -> Text:
    start = attempt.restored_position
    origin = f"from epoch {position(start)}" if start and start > START else ""
    if attempt.end is None:
        return Text(", ".join(filter(None, [status.state.lower(), origin])), style="green")
    lines = (attempt.message or ended_because(attempt) or "ended").strip().splitlines()
    words = Text(lines[0])
    for line in lines[1:][-_LOG_LINES:]:
        words.append(f"\n{line}", style="dim")
    lost = attempt.lost_seconds or 0
    if lost >= 0.5:
        words.append(f"\n{duration(lost)} of training lost", style="yellow")
    return words


def _conditions(status: JobStatus, now: datetime) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    shown: set[str] = set()
    for condition in status.conditions.values():
        if not _is_past(condition):
            repeated = condition.message in shown
            table.add_row(
                _sign(condition), _name(condition), _reason(condition, now, repeated=repeated)
            )
        shown.add(condition.message)
    return table


def _is_past(condition: Condition) -> bool:
    """True if the condition is about a suspension that is over."""
    return condition.type == "Suspended" and condition.reason == "Resumed"


def _sign(condition: Condition) -> Text:
    if condition.type == "Failed":
        return Text("✗", style="red")
    return Text("✓", style="green") if condition.status == "True" else Text("…", style="yellow")


def _name(condition: Condition) -> str:
    word = condition.type.lower()
    if condition.reason == "Suspending":
        return "suspending"
    return word if condition.status == "True" else f"not {word}"


def _reason(condition: Condition, now: datetime, *, repeated: bool) -> Text:
    reason = condition.message or split_words(condition.reason)
    words = Text("for the same reason" if repeated and condition.message else reason)
    words.append(f"  ({since(condition.last_transition_time, now)})", style="dim")
    return words


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(""), Text(f"  {title}", style="bold"), Padding(body, (0, 0, 0, 4)))


def _rows(rows: Iterator[Row]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=11, style="bold")
    grid.add_column(overflow="fold")
    for name, words in rows:
        grid.add_row(name, words)
    return grid
