"""One report, and a checkpoint that must be heard: what each answer leads to."""

import logging
from typing import Any

import pytest

from stargate_worker import AttemptOver, CheckpointRefused, NotAcknowledged, line
from stargate_worker.departure import Departure
from stargate_worker.line import Line, pause
from stargate_worker.protocol import Again, Checkpoint, Over, Report, Taken
from tests.unit.worker.fake_operator import Operator, acknowledge, answers, refused, taken

SAVED = Checkpoint(45, "s3://b/epoch-45", "Complete")
AWAY = ConnectionRefusedError("nobody there")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_FIRST_PAUSE", 0.001)


def line_to(operator: Operator, departure: Departure | None = None, **rest: Any) -> Line:
    return Line(operator.post, lambda: "token", departure or Departure(30), **rest)


def never() -> bool:
    return False


def test_a_report_that_is_taken() -> None:
    heard: list[Taken] = []
    operator = Operator(answers(taken(delete=["a"])))

    line_to(operator, on_taken=heard.append).say(Report(epoch=3))

    assert operator.reports == [{"epoch": 3}]
    assert heard[0].delete == ("a",)


def test_an_operator_that_is_away_is_no_error_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    told = line_to(Operator(answers(AWAY, TimeoutError("late"), refused(503, "x"), taken())))

    verdicts = [told.say(Report()) for _ in range(4)]

    assert [type(each) for each in verdicts] == [Again, Again, Again, Taken]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_whatever_goes_wrong_on_the_way_is_no_error() -> None:
    for trouble in (UnicodeError("label too long"), RuntimeError("can't start new thread")):
        assert isinstance(line_to(Operator(answers(trouble))).say(Report()), Again)


def test_a_token_that_cannot_be_read_is_no_error_either() -> None:
    def unreadable() -> str:
        raise FileNotFoundError("token")

    operator = Operator()
    assert isinstance(Line(operator.post, unreadable, Departure(30)).say(Report()), Again)
    assert not operator.reports


def test_an_answer_may_ask_the_worker_to_stop() -> None:
    departure = Departure(30)
    line_to(Operator(answers(taken(stop=True))), departure).say(Report())
    assert departure.stopping
    assert not departure.over


def test_a_straggler_is_dismissed_and_asks_no_more() -> None:
    departure = Departure(30)
    operator = Operator(answers(refused(409, "StaleAttempt", "attempt 2 is current")))
    told = line_to(operator, departure)

    told.say(Report())
    again = told.say(Report())

    assert again == Over("attempt 2 is current")
    assert departure.stopping
    assert len(operator.reports) == 1


def test_a_job_that_is_not_known_yet_is_asked_for_again() -> None:
    departure = Departure(30)
    told = line_to(Operator(answers(refused(404, "NotFound"), taken())), departure)
    assert isinstance(told.say(Report()), Again)
    assert isinstance(told.say(Report()), Taken)
    assert not departure.stopping


def test_a_job_that_stays_unknown_is_gone() -> None:
    departure = Departure(30)
    told = line_to(Operator(answers(refused(404, "NotFound"))), departure, gone_seconds=0.0)
    assert isinstance(told.say(Report()), Over)
    assert departure.over


def test_a_checkpoint_is_repeated_until_it_is_acknowledged() -> None:
    lost = (AWAY, TimeoutError(), refused(503, "x"), refused(401, "x"), refused(500, "x"), taken())
    operator = Operator(answers(*lost, acknowledge({"checkpoint": SAVED.wire})))

    line_to(operator).insist(SAVED, never)

    assert operator.checkpoints == [(45, "Complete")] * 7


def test_another_checkpoint_s_acknowledgement_does_not_count() -> None:
    other = Checkpoint(40, "s3://b/epoch-40", "Complete")
    operator = Operator(
        answers(acknowledge({"checkpoint": other.wire}), acknowledge({"checkpoint": SAVED.wire}))
    )
    line_to(operator).insist(SAVED, never)
    assert len(operator.reports) == 2


@pytest.mark.parametrize("reason", ["OlderCheckpoint", "DamagedCheckpoint", "AlreadyComplete"])
def test_what_is_refused_for_good_is_not_repeated(reason: str) -> None:
    operator = Operator(answers(refused(409, reason, "no")))
    with pytest.raises(CheckpointRefused, match=f"{reason}: no"):
        line_to(operator).insist(SAVED, never)
    assert len(operator.reports) == 1


def test_a_straggler_s_checkpoint_is_not_acknowledged() -> None:
    with pytest.raises(AttemptOver, match="attempt 2"):
        line_to(Operator(answers(refused(409, "StaleAttempt", "attempt 2")))).insist(SAVED, never)


def test_who_has_no_more_time_gives_up() -> None:
    operator = Operator(answers(AWAY))
    with pytest.raises(NotAcknowledged, match="epoch-45"):
        line_to(operator).insist(SAVED, lambda: len(operator.reports) >= 3)


def test_pauses_grow_to_a_bound_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_FIRST_PAUSE", 0.25)
    waits = [pause(Again(""), failures) for failures in range(1, 40)]
    assert 0.25 <= waits[0] <= 0.5
    assert 5 <= waits[-1] <= 10
    assert len(set(waits)) > 30


def test_what_the_server_asks_for_is_waited_at_least() -> None:
    assert pause(Again("", after=7.0), 1) >= 7.0


def test_no_log_line_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for reply in (
        AWAY,
        refused(401, "Unauthorized"),
        refused(409, "StaleAttempt"),
        taken(stop=True),
    ):
        Line(Operator(answers(reply)).post, lambda: "t0ps3cret", Departure(30)).say(Report())
    assert "t0ps3cret" not in caplog.text
