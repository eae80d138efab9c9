"""The time since when silence of a worker counts."""

from dataclasses import dataclass
from datetime import datetime

from stargate_kit.report_fakes import at
from stargate_operator.reports.listening import ListeningSince


@dataclass
class Clocks:
    wall: float = 0.0
    ticks: float = 0.0

    def now(self) -> datetime:
        return at(self.wall)

    def monotonic(self) -> float:
        return self.ticks

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


def listening() -> tuple[ListeningSince, Clocks]:
    clocks = Clocks()
    return ListeningSince(clocks.now, clocks.monotonic), clocks


def test_regular_looks_keep_the_time() -> None:
    found, clocks = listening()
    for _ in range(100):
        clocks.pass_(1)
        assert found.since == at(0)


def test_begin_starts_the_time_again() -> None:
    found, clocks = listening()
    clocks.pass_(1)
    found.begin()
    assert found.since == at(1)


def test_stopped_process_starts_the_time_again() -> None:
    found, clocks = listening()
    clocks.pass_(30)
    assert found.since == at(30)


def test_changed_clock_starts_the_time_again() -> None:
    for jump in (3600.0, -3600.0):
        found, clocks = listening()
        clocks.pass_(1)
        clocks.wall += jump
        assert found.since == at(1 + jump)
