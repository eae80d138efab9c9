"""What an answer means, code by code."""

import json

import pytest

from stargate_operator.reports.protocol import Acknowledged as OperatorsAcknowledged
from stargate_operator.reports.protocol import Answer, decode, encode
from stargate_worker.protocol import (
    Again,
    Checkpoint,
    Gone,
    Over,
    Refused,
    Reply,
    Report,
    Taken,
    judge,
)
from tests.unit.worker.fake_operator import refused

SAVED = Checkpoint(45, "s3://b/epoch-45", "Complete", 1 << 30)


def test_the_operator_reads_what_a_worker_writes() -> None:
    read = decode(Report(45, 4500, {"loss": 0.25, "lr": 1e-3}, SAVED).encode())

    assert (read.epoch, read.step) == (45, 4500)
    assert [(metric.name, metric.value) for metric in read.metrics] == [
        ("loss", 0.25),
        ("lr", 1e-3),
    ]
    assert read.checkpoint is not None
    assert read.checkpoint.key == (45, "s3://b/epoch-45", "Complete")
    assert read.checkpoint.size_bytes == 1 << 30


def test_a_sign_of_life_says_nothing_else() -> None:
    assert Report().encode() == b"{}"


def test_a_worker_reads_what_the_operator_answers() -> None:
    told = OperatorsAcknowledged(epoch=45, uri="s3://b/epoch-45", state="Complete")
    answer = Answer(2, 1.5, stop=True, acknowledged=told, delete=("s3://b/epoch-30",))

    verdict = judge(Reply(200, encode(answer)))

    assert verdict == Taken(1.5, True, ("s3://b/epoch-30",), (45, "s3://b/epoch-45", "Complete"))
    assert verdict.acknowledges(SAVED)
    assert not verdict.acknowledges(Checkpoint(45, "s3://b/epoch-45", "Damaged"))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refused(400, "BadRequest"), Refused),
        (refused(400, "Invalid"), Refused),
        (refused(401, "Unauthorized"), Again),
        (refused(403, "Forbidden"), Refused),
        (refused(404, "NotFound"), Gone),
        (refused(405, "MethodNotAllowed"), Refused),
        (refused(408, "Timeout"), Again),
        (refused(409, "StaleAttempt"), Over),
        (refused(409, "OlderCheckpoint"), Refused),
        (refused(409, "AlreadyComplete"), Refused),
        (refused(409, "DamagedCheckpoint"), Refused),
        (refused(413, "RequestEntityTooLarge"), Refused),
        (refused(415, "UnsupportedMediaType"), Refused),
        (refused(422, "Invalid"), Refused),
        (refused(429, "TooManyRequests"), Again),
        (refused(500, "InternalError"), Again),
        (refused(503, "ServiceUnavailable"), Again),
        (Reply(302), Again),
        (Reply(404, b"<html>no such page</html>"), Again),
        (Reply(409, b'{"reason": "StaleAttempt"}'), Again),
        (Reply(200, b"<html>welcome</html>"), Again),
        (Reply(200, b"[]"), Again),
        (Reply(502, b"[" * 100_000), Again),
    ],
    ids=lambda value: f"{value.status}-{value.body[:24]!r}" if isinstance(value, Reply) else "",
)
def test_an_answer_means(reply: Reply, kind: type) -> None:
    assert isinstance(judge(reply), kind)


def test_how_long_to_wait_is_the_server_s_to_say() -> None:
    assert judge(Reply(503, retry_after=7.0)) == Again("503 : no reason given", after=7.0)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(2.5, 2.5), (0, 0.2), (-1, 0.2), (1e9, 600.0), ("soon", 10.0), (None, 10.0), (1e999, 10.0)],
)
def test_an_interval_stays_within_reason(said: object, seconds: float) -> None:
    verdict = judge(Reply(200, json.dumps({"nextReportSeconds": said}).encode()))
    assert verdict == Taken(next_report_seconds=seconds)


def test_what_a_newer_operator_says_beyond_is_passed_over() -> None:
    said = {
        "nextReportSeconds": 1,
        "mood": "good",
        "delete": ["a", 7],
        "acknowledged": {"epoch": 1},
    }
    assert judge(Reply(200, json.dumps(said).encode())) == Taken(1.0, delete=("a",))
