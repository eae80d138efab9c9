"""The meaning of the operator's answers, by status code, and the format of reports."""

import json

import pytest

from stargate_operator.reports.protocol import Acknowledged as OperatorsAcknowledged
from stargate_operator.reports.protocol import Answer, decode, encode
from stargate_types.position import Position
from stargate_worker.protocol import (
    Accepted,
    AttemptEnded,
    Checkpoint,
    JobUnknown,
    Refused,
    Reply,
    Report,
    Retry,
    interpret,
)
from tests.unit.worker.fake_operator import refused

SAVED = Checkpoint(45, "s3://b/epoch-45", "Complete", 1 << 30, 4500)


def test_operator_decodes_a_worker_s_report() -> None:
    read = decode(Report(45, 4500, {"loss": 0.25, "lr": 1e-3}, SAVED).encode())

    assert (read.epoch, read.step) == (45, 4500)
    assert [(metric.name, metric.value) for metric in read.metrics] == [
        ("loss", 0.25),
        ("lr", 1e-3),
    ]
    assert read.checkpoint is not None
    assert read.checkpoint.position == Position(45, 4500)
    assert (read.checkpoint.uri, read.checkpoint.state) == ("s3://b/epoch-45", "Complete")
    assert read.checkpoint.size_bytes == 1 << 30


def test_checkpoint_without_step_is_read_as_before() -> None:
    body = Report(checkpoint=Checkpoint(45, "s3://b/epoch-45", "Complete", 1 << 30)).encode()
    read = decode(body).checkpoint
    assert b"step" not in body
    assert read is not None
    assert read.position == Position(45)


def test_empty_report_has_an_empty_body() -> None:
    assert Report().encode() == b"{}"


def test_worker_decodes_the_operator_s_answer() -> None:
    told = OperatorsAcknowledged(epoch=45, uri="s3://b/epoch-45", state="Complete", step=4500)
    answer = Answer(2, 1.5, stop=True, acknowledged=told, delete=("s3://b/epoch-30",))

    verdict = interpret(Reply(200, encode(answer)))

    assert verdict == Accepted(1.5, True, ("s3://b/epoch-30",), (45, "s3://b/epoch-45", "Complete"))
    assert verdict.acknowledges(SAVED)
    assert not verdict.acknowledges(Checkpoint(45, "s3://b/epoch-45", "Damaged"))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refused(400, "BadRequest"), Refused),
        (refused(400, "Invalid"), Refused),
        (refused(401, "Unauthorized"), Retry),
        (refused(403, "Forbidden"), Refused),
        (refused(404, "NotFound"), JobUnknown),
        (refused(405, "MethodNotAllowed"), Refused),
        (refused(408, "Timeout"), Retry),
        (refused(409, "StaleAttempt"), AttemptEnded),
        (refused(409, "OlderCheckpoint"), Refused),
        (refused(409, "AlreadyComplete"), Refused),
        (refused(409, "DamagedCheckpoint"), Refused),
        (refused(413, "RequestEntityTooLarge"), Refused),
        (refused(415, "UnsupportedMediaType"), Refused),
        (refused(422, "Invalid"), Refused),
        (refused(429, "TooManyRequests"), Retry),
        (refused(500, "InternalError"), Retry),
        (refused(503, "ServiceUnavailable"), Retry),
        (Reply(302), Retry),
        (Reply(404, b"<html>no such page</html>"), Retry),
        (Reply(409, b'{"reason": "StaleAttempt"}'), Retry),
        (Reply(200, b"<html>welcome</html>"), Retry),
        (Reply(200, b"[]"), Retry),
        (Reply(502, b"[" * 100_000), Retry),
    ],
    ids=lambda value: f"{value.status}-{value.body[:24]!r}" if isinstance(value, Reply) else "",
)
def test_answer_gives_its_verdict(reply: Reply, kind: type) -> None:
    assert isinstance(interpret(reply), kind)


def test_retry_after_sets_the_wait() -> None:
    assert interpret(Reply(503, retry_after=7.0)) == Retry("503 : no reason given", after=7.0)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(2.5, 2.5), (0, 0.2), (-1, 0.2), (1e9, 600.0), ("soon", 10.0), (None, 10.0), (1e999, 10.0)],
)
def test_report_interval_is_bounded(said: object, seconds: float) -> None:
    verdict = interpret(Reply(200, json.dumps({"nextReportSeconds": said}).encode()))
    assert verdict == Accepted(next_report_seconds=seconds)


def test_unknown_answer_fields_are_ignored() -> None:
    said = {
        "nextReportSeconds": 1,
        "mood": "good",
        "delete": ["a", 7],
        "acknowledged": {"epoch": 1},
    }
    assert interpret(Reply(200, json.dumps(said).encode())) == Accepted(1.0, delete=("a",))
