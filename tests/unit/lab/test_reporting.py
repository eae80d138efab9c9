"""A simulated worker and the report server: the reports that it repeats, and when it gives up."""

import asyncio

import pytest

from stargate_lab.workload import reporting
from stargate_lab.workload.reporting import Dismissed, Rejected, Reply, ReportClient, parse
from stargate_lab.workload.training import Json


class Operator:
    """Answers with what it is given, one after the other; None is silence."""

    def __init__(self, *replies: Reply | None) -> None:
        self._replies = iter(replies)
        self.tokens: list[str] = []

    async def post(self, token: str, report: Json) -> Reply:
        del report
        self.tokens.append(token)
        reply = next(self._replies)
        if reply is None:
            raise ConnectionRefusedError
        return reply


def line(operator: Operator) -> ReportClient:
    issued = iter(f"token-{number}" for number in range(9))

    async def token() -> str:
        return next(issued)

    return ReportClient(operator.post, token)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seen: list[float] = []

    async def pause(seconds: float) -> None:
        seen.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return seen


def refused(status: int, reason: str = "", retry_after: float = 0.0) -> Reply:
    return Reply(status, {"reason": reason, "message": "no"}, retry_after)


TAKEN = Reply(200, {"attempt": 1})


async def test_report_is_repeated_until_the_operator_accepts_it() -> None:
    operator = Operator(None, refused(503), refused(500), TAKEN)

    assert await line(operator).send_until_accepted({}) == {"attempt": 1}


async def test_worker_waits_as_long_as_server_asks(pauses: list[float]) -> None:
    await line(Operator(refused(503, retry_after=7), TAKEN)).send_until_accepted({})

    assert pauses[0] >= 7


async def test_a_report_sent_once_is_not_repeated() -> None:
    operator = Operator(refused(503))

    assert await line(operator).send_once({}) == {}


@pytest.mark.parametrize("reply", [refused(409, "StaleAttempt"), refused(404, "NotFound")])
async def test_worker_stops_when_its_attempt_is_over(reply: Reply) -> None:
    with pytest.raises(Dismissed):
        await line(Operator(reply)).send_until_accepted({})


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_invalid_report_is_not_repeated(status: int) -> None:
    with pytest.raises(Rejected, match=str(status)):
        await line(Operator(refused(status))).send_until_accepted({})


@pytest.mark.parametrize("reason", ["AlreadyComplete", "OlderCheckpoint"])
async def test_acknowledged_checkpoint_needs_no_further_report(reason: str) -> None:
    assert await line(Operator(refused(409, reason))).send_until_accepted({}) == {}


async def test_one_token_serves_until_it_is_refused() -> None:
    operator = Operator(TAKEN, TAKEN, refused(401), TAKEN)
    rank = line(operator)

    for _ in range(3):
        await rank.send_until_accepted({})

    assert operator.tokens == ["token-0", "token-0", "token-0", "token-1"]


def test_an_answer_is_read() -> None:
    raw = b'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\n{"reason": "x"}'

    assert parse(raw) == Reply(503, {"reason": "x"}, 2.0)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\n", b'HTTP/1.1 200 OK\r\n\r\n{"at'])
def test_half_an_answer_is_none(raw: bytes) -> None:
    with pytest.raises(ConnectionError):
        parse(raw)


def test_the_pause_is_bounded() -> None:
    assert reporting._pause(None, failures=100) <= 10.0
