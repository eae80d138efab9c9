"""What of a training loop's words goes out, and when."""

import multiprocessing
import time
from typing import Any

import pytest

from stargate_worker import line, reporter
from stargate_worker.departure import Departure
from stargate_worker.line import Line
from stargate_worker.protocol import Checkpoint, Reply
from stargate_worker.reporter import Reporter, first_within
from tests.unit.worker.fake_operator import (
    Gate,
    Operator,
    acknowledge,
    answers,
    eventually,
    refused,
    taken,
)

WRITING = Checkpoint(5, "s3://b/epoch-5", "Writing")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(reporter, "AFTER_REFUSAL_SECONDS", 0.05)


def reporting(operator: Operator, **rest: Any) -> Reporter:
    found = Reporter(Line(operator.post, lambda: "token", Departure(30)), **rest)
    found.start()
    return found


def test_the_newest_word_is_sent_and_what_it_leaves_out_stays() -> None:
    operator = Operator()
    told = reporting(operator)
    told.report(epoch=1, step=100, metrics={"loss": 0.5})
    eventually(lambda: operator.reports)
    told.report(step=150)
    told.report(step=200)
    told.close(5)

    last = {"epoch": 1, "step": 200, "metrics": [{"name": "loss", "value": 0.5}]}
    assert operator.reports[-1] == last
    assert len(operator.reports) == 2


def test_reports_keep_to_the_interval_that_the_operator_gives() -> None:
    operator = Operator(lambda _: taken(nextReportSeconds=0.3))
    told = reporting(operator)
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        told.report(step=1)
        time.sleep(0.005)
    assert 2 <= len(operator.reports) <= 5


def test_a_loop_that_says_nothing_is_silent() -> None:
    operator = Operator()
    told = reporting(operator)
    told.report(step=1)
    time.sleep(0.8)
    assert len(operator.reports) == 1


def test_an_operator_that_hangs_does_not_hold_up_the_loop() -> None:
    gate = Gate()

    def hang(report: Any) -> Reply:
        gate.wait()
        return acknowledge(report)

    operator = Operator(hang)
    told = reporting(operator)
    began = time.monotonic()
    for step in range(10_000):
        told.report(step=step)
    assert time.monotonic() - began < 3
    gate.open()
    told.close(5)
    assert operator.reports[-1] == {"step": 9999}


def test_what_is_lost_while_the_operator_is_away_is_made_good() -> None:
    operator = Operator(answers(ConnectionRefusedError(), refused(503, "x"), taken()))
    told = reporting(operator)
    told.report(epoch=7)
    eventually(lambda: len(operator.reports) == 3)
    assert operator.reports[2] == {"epoch": 7}


def test_a_refused_report_is_dropped_and_the_next_is_sent() -> None:
    operator = Operator(answers(refused(400, "Invalid", "epoch: 101 is more"), taken()))
    told = reporting(operator)
    told.report(epoch=101)
    eventually(lambda: operator.reports)
    time.sleep(0.2)
    assert len(operator.reports) == 1
    told.report(epoch=100)
    eventually(lambda: len(operator.reports) == 2)


def test_a_straggler_falls_silent() -> None:
    operator = Operator(answers(refused(409, "StaleAttempt")))
    told = reporting(operator)
    for step in range(5):
        told.report(step=step)
        time.sleep(0.1)
    told.close(1)
    assert len(operator.reports) == 1


def test_a_checkpoint_being_written_is_announced_once() -> None:
    operator = Operator()
    told = reporting(operator)
    told.announce(WRITING)
    eventually(lambda: operator.checkpoints)
    told.report(step=1)
    told.close(5)
    assert operator.checkpoints == [(5, "Writing")]
    assert operator.reports[-1] == {"step": 1}


def test_an_announcement_that_comes_too_late_takes_no_progress_down_with_it() -> None:
    def already(report: Any) -> Reply:
        return refused(409, "AlreadyComplete") if "checkpoint" in report else taken()

    operator = Operator(already)
    told = reporting(operator)
    told.report(epoch=5)
    told.announce(WRITING)
    told.close(5)
    assert operator.reports[-1] == {"epoch": 5}


def test_an_announcement_can_be_taken_back() -> None:
    operator = Operator()
    told = reporting(operator, first_within=0.2)
    told.announce(WRITING)
    told.announce(None)
    told.close(5)
    assert operator.checkpoints in ([], [(5, "Writing")])


def test_closing_sends_the_last_word_at_once() -> None:
    operator = Operator(lambda _: taken(nextReportSeconds=60))
    told = reporting(operator)
    told.report(epoch=1)
    eventually(lambda: operator.reports)
    told.report(epoch=100)
    told.close(5)
    assert operator.reports[-1] == {"epoch": 100}


def test_closing_is_bounded_while_the_operator_is_away_or_hangs() -> None:
    away = reporting(Operator(answers(ConnectionRefusedError())))
    away.report(epoch=1)
    began = time.monotonic()
    away.close(5)
    gate = Gate()
    hanging = reporting(Operator(lambda _: gate.wait() or taken()))  # type: ignore[func-returns-value]
    hanging.report(epoch=1)
    hanging.close(0.2)
    assert time.monotonic() - began < 3
    gate.open()


def test_a_gang_spreads_its_first_reports_and_rank_0_does_not_wait() -> None:
    assert first_within(5000, 0) == 0
    assert first_within(5000, 7) == 50.0


def test_a_forked_child_says_nothing() -> None:
    operator = Operator()
    told = reporting(operator)
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=_report_from_a_child, args=(told,))
    child.start()
    child.join(5)
    assert child.exitcode == 0


def _report_from_a_child(told: Reporter) -> None:
    told.report(step=1)
    told.close(1)
