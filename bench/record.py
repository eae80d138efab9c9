"""The measurements as lines of JSON, so that an interrupted run keeps those that it has made."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

START, RESTART, DELETION = PHASES = ("start", "restart", "deletion")


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of one contender at one size, once."""

    contender: str
    size: int
    round: int
    phase: str
    seconds: float
    """Seconds from the order to the end of the phase: every rank runs, or every pod is gone."""
    moments: dict[str, float]
    """Seconds from the order to each milestone of the gang that the phase is about."""
    cpu: dict[str, float]
    """CPU seconds by process; `self` is the contender's own."""
    peak_rss_bytes: int = 0
    throttled: int = 0
    status_writes: int = 0
    status_bytes: int = 0

    @property
    def cpu_ms_per_pod(self) -> float:
        return self.cpu.get("self", 0.0) * 1000 / self.size

    @property
    def cluster_cpu_ms_per_pod(self) -> float:
        everyone = sum(seconds for name, seconds in self.cpu.items() if name != "self")
        return everyone * 1000 / self.size


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """The writes of one phase of one contender, counted and not timed."""

    contender: str
    size: int
    phase: str
    accepted: dict[str, int]
    """Number of accepted writes by "agent verb resource"."""


Entry = Measurement | Writes


class _Line(msgspec.Struct, omit_defaults=True):
    measurement: Measurement | None = None
    writes: Writes | None = None


def append(file: Path, entry: Entry) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    line = _Line(measurement=entry) if isinstance(entry, Measurement) else _Line(writes=entry)
    with file.open("ab") as out:
        out.write(msgspec.json.encode(line) + b"\n")


def load(file: Path) -> list[Entry]:
    lines = (msgspec.json.decode(line, type=_Line) for line in file.read_bytes().splitlines())
    return [entry for line in lines if (entry := line.measurement or line.writes)]


def measurements(entries: Iterable[Entry]) -> list[Measurement]:
    return [each for each in entries if isinstance(each, Measurement)]


def writes(entries: Iterable[Entry]) -> list[Writes]:
    return [each for each in entries if isinstance(each, Writes)]
