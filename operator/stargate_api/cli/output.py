"""Prints to a terminal or to a pipe. A pipe gets no colour, no fixed width and no redrawing."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import yaml
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment

from stargate_api import AvailableCompute, Client, JobStatus
from stargate_api.cli import tables
from stargate_api.cli.humanize import escape_controls, one_line
from stargate_api.cli.screen import COLOURS, WIDTH, screen
from stargate_feasibility import Feasibility

_REFRESH = 2.0


def text(line: str) -> None:
    """Prints a line to stdout, with control characters escaped."""
    print(escape_controls(line), flush=True)


def log(line: str) -> None:
    """Prints a line of a worker's log as it is, colours included, as `kubectl logs` does."""
    print(line, flush=True)


def hint(line: str) -> None:
    """Prints a line for a person to stderr, where a program that reads stdout does not see it."""
    print(escape_controls(line), file=sys.stderr)


def failure(message: str) -> None:
    """Prints an error to stderr."""
    _console(stderr=True).print("error:", style="bold red", end=" ")
    print(escape_controls(message), file=sys.stderr)


def document(found: Any, shape: str) -> None:
    """Prints one object for a program, as `json` or `yaml`."""
    print(_serialised(found, shape), flush=True)


def documents(found: Sequence[Any], shape: str) -> None:
    """Prints objects for a program, as a List like kubectl's."""
    document({"apiVersion": "v1", "kind": "List", "items": list(found)}, shape)


def jobs(found: Sequence[JobStatus], *, wide: bool, namespaces: bool) -> None:
    """Prints jobs as a table, with more columns where `wide` and one for the namespace."""
    table = tables.jobs(found, now(), wide=wide, namespaces=namespaces)
    styles = [COLOURS.get(job.phase, "") for job in found]
    _columns(table, column=table[0].index("PHASE"), styles=styles)


def blocks(found: Iterable[AvailableCompute], *, wide: bool) -> None:
    """Prints compute blocks as a table, with more columns where `wide`."""
    _columns(tables.blocks(found, now(), wide=wide))


def feasibility(found: Feasibility) -> None:
    """Prints the answer of a check, its reasons, and the answer for each block."""
    for line in tables.feasibility(found):
        text(line)


def job(found: JobStatus) -> None:
    """Prints the screen of one job."""
    console = _console()
    if console.is_terminal:
        console.print(_Escaped(screen(found, now())))
    else:
        for line in _plain(screen(found, now())):
            text(line)


def follow(client: Client, job_id: str) -> JobStatus | None:
    """Prints a job until it has finished. Returns its last status, None where there was none."""
    console = _console()
    statuses = client.watch(job_id)
    return _live(console, statuses) if console.is_terminal else _lines(statuses)


def now() -> datetime:
    """The current time in the local time zone."""
    return datetime.now().astimezone()


def _live(console: Console, statuses: Iterator[JobStatus]) -> JobStatus | None:
    """Redraws the screen as time passes, for the durations on it. The last screen stays."""
    latest: JobStatus | None = None

    def current() -> RenderableType:
        return _Escaped(screen(latest, now())) if latest else ""

    with Live(console=console, get_renderable=current, refresh_per_second=_REFRESH) as live:
        for status in statuses:
            latest = status
            live.refresh()
    return latest


def _lines(statuses: Iterator[JobStatus]) -> JobStatus | None:
    latest, last_line = None, ""
    for latest in statuses:
        line = one_line(latest)
        if line != last_line:
            text(f"{now():%H:%M:%S}  {line}")
        last_line = line
    return latest


def _columns(table: tables.Table, column: int = 0, styles: Sequence[str] = ()) -> None:
    """Prints a table. On a terminal, the cells of one column get the styles."""
    table = [[escape_controls(cell) for cell in row] for row in table]
    console, lines = _console(), tables.columns(table)
    if not console.is_terminal:
        text("\n".join(lines))
        return
    console.print(lines[0], style="bold", markup=False, highlight=False, soft_wrap=True)
    for row, line, style in zip(table[1:], lines[1:], styles or [""] * len(table), strict=False):
        before, cell, after = line.partition(row[column]) if style else (line, "", "")
        console.print(before, end="", markup=False, highlight=False, soft_wrap=True)
        console.print(cell, end="", style=style, markup=False, highlight=False, soft_wrap=True)
        console.print(after, markup=False, highlight=False, soft_wrap=True)


class _Escaped:
    """A renderable whose text has its control characters escaped; rich's own controls stay."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._shown, options):
            escaped = Segment(escape_controls(segment.text), segment.style)
            yield segment if segment.control else escaped


def _plain(found: RenderableType) -> Iterator[str]:
    console = Console(width=WIDTH, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(found)
    for line in captured.get().splitlines():
        yield line.rstrip()


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    console.width = min(console.width, WIDTH)
    return console


def _serialised(found: Any, shape: str) -> str:
    if shape == "yaml":
        return yaml.safe_dump(found, sort_keys=False, allow_unicode=True).rstrip()
    return json.dumps(found, indent=2, ensure_ascii=False)
