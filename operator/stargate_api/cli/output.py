"""To the terminal, or to whatever stands in its place: there no colour, no width, no redrawing."""

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
    print(escape_controls(line), flush=True)


def log(line: str) -> None:
    """As the worker wrote it, colours and all: kubectl's `logs` does no other."""
    print(line, flush=True)


def hint(line: str) -> None:
    """For a person; a program that reads stdout sees nothing."""
    print(escape_controls(line), file=sys.stderr)


def failure(message: str) -> None:
    _console(stderr=True).print("error:", style="bold red", end=" ")
    print(escape_controls(message), file=sys.stderr)


def document(found: Any, shape: str) -> None:
    """For a program: whole, and escaped as its form has it."""
    print(_serialised(found, shape), flush=True)


def documents(found: Sequence[Any], shape: str) -> None:
    """As kubectl's: one List."""
    document({"apiVersion": "v1", "kind": "List", "items": list(found)}, shape)


def jobs(found: Sequence[JobStatus], *, wide: bool, namespaces: bool) -> None:
    table = tables.jobs(found, now(), wide=wide, namespaces=namespaces)
    styles = [COLOURS.get(each.phase, "") for each in found]
    _columns(table, column=table[0].index("PHASE"), styles=styles)


def blocks(found: Iterable[AvailableCompute], *, wide: bool) -> None:
    _columns(tables.blocks(found, now(), wide=wide))


def feasibility(found: Feasibility) -> None:
    for line in tables.feasibility(found):
        text(line)


def job(found: JobStatus) -> None:
    console = _console()
    if console.is_terminal:
        console.print(_Escaped(screen(found, now())))
    else:
        for line in _plain(screen(found, now())):
            text(line)


def follow(client: Client, job_id: str) -> JobStatus | None:
    """The job as it ended."""
    console = _console()
    told = client.watch(job_id)
    return _live(console, told) if console.is_terminal else _lines(told)


def now() -> datetime:
    return datetime.now().astimezone()


def _live(console: Console, told: Iterator[JobStatus]) -> JobStatus | None:
    """Redrawn as time passes, for what is counted from now; the last screen stays."""
    latest: JobStatus | None = None

    def current() -> RenderableType:
        return _Escaped(screen(latest, now())) if latest else ""

    with Live(console=console, get_renderable=current, refresh_per_second=_REFRESH) as live:
        for found in told:
            latest = found
            live.refresh()
    return latest


def _lines(told: Iterator[JobStatus]) -> JobStatus | None:
    latest, said = None, ""
    for latest in told:
        line = one_line(latest)
        if line != said:
            text(f"{now():%H:%M:%S}  {line}")
        said = line
    return latest


def _columns(table: tables.Table, column: int = 0, styles: Sequence[str] = ()) -> None:
    """Only the one column is coloured, and only on a terminal."""
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
    """What is shown obeys rich alone, never a word in it."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for each in console.render(self._shown, options):
            yield each if each.control else Segment(escape_controls(each.text), each.style)


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
