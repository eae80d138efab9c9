"""The values of a training loop that are reported, and when."""

import multiprocessing
import time
from typing import Any

import pytest

from stargate_worker import report_client, reporter
from stargate_worker.protocol import Checkpoint, Reply
from stargate_worker.report_client import ReportClient
from stargate_worker.reporter import Reporter, first_within
from stargate_worker.shutdown import Shutdown
from tests.unit.worker.fake_operator import (
    Gate,
    Operator,
    accepted,
    acknowledge,
    answers,
    eventually,
    refused,
)

WRITING = Checkpoint(5, "s3://b/epoch-5", "Writing")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_client, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(reporter, "AFTER_REFUSAL_SECONDS", 0.05)


def reporting(operator: Operator, **rest: Any) -> Reporter:
    found = Reporter(ReportClient(operator.post, lambda: "token", Shutdown(30)), **rest)
    found.start()
    return found


def test_newest_values_replace_older_ones() -> None:
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


def test_reports_keep_to_the_operator_s_interval() -> None:
    operator = Operator(lambda _: accepted(nextReportSeconds=0.3))
    told = reporting(operator)
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        told.report(step=1)
        time.sleep(0.005)
    assert 2 <= len(operator.reports) <= 5


def test_silent_loop_sends_no_reports() -> None:
    operator = Operator()
    told = reporting(operator)
    told.report(step=1)
    time.sleep(0.8)
    assert len(operator.reports) == 1


def test_hanging_operator_does_not_block_the_loop() -> None:
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


def test_failed_report_is_sent_again() -> None:
    operator = Operator(answers(ConnectionRefusedError(), refused(503, "x"), accepted()))
    told = reporting(operator)
    told.report(epoch=7)
    eventually(lambda: len(operator.reports) == 3)
    assert operator.reports[2] == {"epoch": 7}


def test_refused_report_is_dropped() -> None:
    operator = Operator(answers(refused(400, "Invalid", "epoch: 101 is more"), accepted()))
    told = reporting(operator)
    told.report(epoch=101)
    eventually(lambda: operator.reports)
    time.sleep(0.2)
    assert len(operator.reports) == 1
    told.report(epoch=100)
    eventually(lambda: len(operator.reports) == 2)


def test_ended_attempt_stops_reporting() -> None:
    operator = Operator(answers(refused(409, "StaleAttempt")))
    told = reporting(operator)
    for step in range(5):
        told.report(step=step)
        time.sleep(0.1)
    told.close(1)
    assert len(operator.reports) == 1


def test_checkpoint_being_written_is_announced_once() -> None:
    operator = Operator()
    told = reporting(operator)
    told.announce(WRITING)
    eventually(lambda: operator.checkpoints)
    told.report(step=1)
    told.close(5)
    assert operator.checkpoints == [(5, "Writing")]
    assert operator.reports[-1] == {"step": 1}


def test_refused_announcement_keeps_the_progress() -> None:
    def already(report: Any) -> Reply:
        return refused(409, "AlreadyComplete") if "checkpoint" in report else accepted()

    operator = Operator(already)
    told = reporting(operator)
    told.report(epoch=5)
    told.announce(WRITING)
    told.close(5)
    assert operator.reports[-1] == {"epoch": 5}


def test_announcement_can_be_withdrawn() -> None:
    operator = Operator()
    told = reporting(operator, first_within=0.2)
    told.announce(WRITING)
    told.announce(None)
    told.close(5)
    assert operator.checkpoints in ([], [(5, "Writing")])


def test_closing_sends_the_last_report_at_once() -> None:
    operator = Operator(lambda _: accepted(nextReportSeconds=60))
    told = reporting(operator)
    told.report(epoch=1)
    eventually(lambda: operator.reports)
    told.report(epoch=100)
    told.close(5)
    assert operator.reports[-1] == {"epoch": 100}


def test_closing_is_bounded_without_an_operator() -> None:
    away = reporting(Operator(answers(ConnectionRefusedError())))
    away.report(epoch=1)
    began = time.monotonic()
    away.close(5)
    gate = Gate()
    hanging = reporting(Operator(lambda _: gate.wait() or accepted()))  # type: ignore[func-returns-value]
    hanging.report(epoch=1)
    hanging.close(0.2)
    assert time.monotonic() - began < 3
    gate.open()


def test_first_reports_are_spread_except_rank_0() -> None:
    assert first_within(5000, 0) == 0
    assert first_within(5000, 7) == 50.0


def test_forked_child_reports_nothing() -> None:
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
