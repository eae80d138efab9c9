"""Since when a silence would have been noticed."""

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


def test_a_process_that_looks_often_has_heard_all_along() -> None:
    found, clocks = listening()
    for _ in range(100):
        clocks.pass_(1)
        assert found.since == at(0)


def test_it_counts_anew_from_when_it_is_told_to() -> None:
    found, clocks = listening()
    clocks.pass_(1)
    found.begin()
    assert found.since == at(1)


def test_a_process_that_stood_still_heard_nothing_meanwhile() -> None:
    found, clocks = listening()
    clocks.pass_(30)
    assert found.since == at(30)


def test_a_clock_that_was_set_makes_no_silence() -> None:
    for jump in (3600.0, -3600.0):
        found, clocks = listening()
        clocks.pass_(1)
        clocks.wall += jump
        assert found.since == at(1 + jump)
