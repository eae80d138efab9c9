"""Sending a report, and repeating a checkpoint's report until it is acknowledged."""

import logging
from typing import Any

import pytest

from stargate_worker import AttemptOver, CheckpointRefused, NotAcknowledged, report_client
from stargate_worker.protocol import Accepted, AttemptEnded, Checkpoint, Report, Retry
from stargate_worker.report_client import ReportClient, pause
from stargate_worker.shutdown import Shutdown
from tests.unit.worker.fake_operator import Operator, accepted, acknowledge, answers, refused

SAVED = Checkpoint(45, "s3://b/epoch-45", "Complete")
AWAY = ConnectionRefusedError("nobody there")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_client, "_FIRST_PAUSE", 0.001)


def client_of(operator: Operator, shutdown: Shutdown | None = None, **rest: Any) -> ReportClient:
    return ReportClient(operator.post, lambda: "token", shutdown or Shutdown(30), **rest)


def never() -> bool:
    return False


def test_accepted_report_is_passed_on() -> None:
    heard: list[Accepted] = []
    operator = Operator(answers(accepted(delete=["a"])))

    client_of(operator, on_accepted=heard.append).send(Report(epoch=3))

    assert operator.reports == [{"epoch": 3}]
    assert heard[0].delete == ("a",)


def test_absent_operator_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    told = client_of(Operator(answers(AWAY, TimeoutError("late"), refused(503, "x"), accepted())))

    verdicts = [told.send(Report()) for _ in range(4)]

    assert [type(each) for each in verdicts] == [Retry, Retry, Retry, Accepted]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_failed_request_is_a_retry() -> None:
    for trouble in (UnicodeError("label too long"), RuntimeError("can't start new thread")):
        assert isinstance(client_of(Operator(answers(trouble))).send(Report()), Retry)


def test_unreadable_token_is_a_retry() -> None:
    def unreadable() -> str:
        raise FileNotFoundError("token")

    operator = Operator()
    assert isinstance(ReportClient(operator.post, unreadable, Shutdown(30)).send(Report()), Retry)
    assert not operator.reports


def test_answer_with_stop_stops_the_worker() -> None:
    shutdown = Shutdown(30)
    client_of(Operator(answers(accepted(stop=True))), shutdown).send(Report())
    assert shutdown.stopping
    assert not shutdown.attempt_over


def test_ended_attempt_sends_no_more_reports() -> None:
    shutdown = Shutdown(30)
    operator = Operator(answers(refused(409, "StaleAttempt", "attempt 2 is current")))
    told = client_of(operator, shutdown)

    told.send(Report())
    again = told.send(Report())

    assert again == AttemptEnded("attempt 2 is current")
    assert shutdown.stopping
    assert len(operator.reports) == 1


def test_briefly_unknown_job_is_a_retry() -> None:
    shutdown = Shutdown(30)
    told = client_of(Operator(answers(refused(404, "NotFound"), accepted())), shutdown)
    assert isinstance(told.send(Report()), Retry)
    assert isinstance(told.send(Report()), Accepted)
    assert not shutdown.stopping


def test_job_that_stays_unknown_ends_the_attempt() -> None:
    shutdown = Shutdown(30)
    told = client_of(Operator(answers(refused(404, "NotFound"))), shutdown, unknown_seconds=0.0)
    assert isinstance(told.send(Report()), AttemptEnded)
    assert shutdown.attempt_over


def test_checkpoint_report_repeats_until_acknowledged() -> None:
    lost = (
        AWAY,
        TimeoutError(),
        refused(503, "x"),
        refused(401, "x"),
        refused(500, "x"),
        accepted(),
    )
    operator = Operator(answers(*lost, acknowledge({"checkpoint": SAVED.wire})))

    client_of(operator).send_until_acknowledged(SAVED, never)

    assert operator.checkpoints == [(45, "Complete")] * 7


def test_acknowledgement_of_another_checkpoint_is_ignored() -> None:
    other = Checkpoint(40, "s3://b/epoch-40", "Complete")
    operator = Operator(
        answers(acknowledge({"checkpoint": other.wire}), acknowledge({"checkpoint": SAVED.wire}))
    )
    client_of(operator).send_until_acknowledged(SAVED, never)
    assert len(operator.reports) == 2


@pytest.mark.parametrize("reason", ["OlderCheckpoint", "DamagedCheckpoint", "AlreadyComplete"])
def test_refused_checkpoint_is_not_repeated(reason: str) -> None:
    operator = Operator(answers(refused(409, reason, "no")))
    with pytest.raises(CheckpointRefused, match=f"{reason}: no"):
        client_of(operator).send_until_acknowledged(SAVED, never)
    assert len(operator.reports) == 1


def test_checkpoint_of_an_old_attempt_raises() -> None:
    with pytest.raises(AttemptOver, match="attempt 2"):
        client_of(
            Operator(answers(refused(409, "StaleAttempt", "attempt 2")))
        ).send_until_acknowledged(SAVED, never)


def test_checkpoint_report_gives_up_without_time() -> None:
    operator = Operator(answers(AWAY))
    with pytest.raises(NotAcknowledged, match="epoch-45"):
        client_of(operator).send_until_acknowledged(SAVED, lambda: len(operator.reports) >= 3)


def test_pauses_grow_within_a_bound_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_client, "_FIRST_PAUSE", 0.25)
    waits = [pause(Retry(""), failures) for failures in range(1, 40)]
    assert 0.25 <= waits[0] <= 0.5
    assert 5 <= waits[-1] <= 10
    assert len(set(waits)) > 30


def test_pause_is_at_least_retry_after() -> None:
    assert pause(Retry("", after=7.0), 1) >= 7.0


def test_log_holds_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for reply in (
        AWAY,
        refused(401, "Unauthorized"),
        refused(409, "StaleAttempt"),
        accepted(stop=True),
    ):
        ReportClient(Operator(answers(reply)).post, lambda: "t0ps3cret", Shutdown(30)).send(
            Report()
        )
    assert "t0ps3cret" not in caplog.text
