"""The client against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from stargate_operator.kube import client as module
from stargate_operator.kube import http1
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.kube.http1 import Connection, ConnectionPool
from tests.unit.kube.fakeapi import FakeApi, Handler, Request, fake_api, meta

PODS = "/api/v1/namespaces/default/pods"


def client(api: FakeApi, guard: Callable[[], None] | None = None, in_flight: int = 32) -> Client:
    return Client(api.endpoint(), user_agent="test", guard=guard, in_flight=in_flight)


def failing_first(times: int, fail: Handler) -> Handler:
    left = times

    async def handler(request: Request) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            await fail(request)
        else:
            await request.answer(201, meta("p", "u1", 7))

    return handler


async def all_of(
    stream: AsyncGenerator[bytes, None], into: list[bytes] | None = None
) -> list[bytes]:
    got = [] if into is None else into
    async with aclosing(stream) as lines:
        async for line in lines:
            got.append(line)
    return got


async def ok(request: Request) -> None:
    await request.answer(200, meta())


async def test_create_asks_for_and_returns_metadata() -> None:
    async def handler(request: Request) -> None:
        await request.answer(201, meta("p", "u1", 7, labels={"a": "b"}))

    async with fake_api(handler) as api, client(api) as c:
        api.token = "Bearer t1"
        created = await c.create(PODS, b"{}")
        (request,) = api.requests
    assert (created.name, created.uid, created.resource_version) == ("p", "u1", "7")
    assert created.labels == {"a": "b"}
    assert (request.verb, request.path, request.body) == ("POST", PODS, b"{}")
    assert request.headers["accept"].startswith("application/json;as=PartialObjectMetadata")
    assert request.headers["authorization"] == "Bearer t1"
    assert request.target.endswith("timeout=5s")


async def test_connections_are_reused_before_new_ones_open() -> None:
    async with fake_api(ok) as api, client(api) as c:
        for _ in range(10):
            await c.create(PODS, b"{}")
        assert api.connections == 1
        await asyncio.gather(*[c.create(PODS, b"{}") for _ in range(20)])
        assert api.connections <= 20


async def test_connection_closed_by_server_is_not_reused() -> None:
    async with fake_api(ok) as api, client(api) as c:
        await c.create(PODS, b"{}")
        await api.requests[0].reset()
        await asyncio.sleep(0.05)
        await c.create(PODS, b"{}")
    assert len(api.requests) == 2


async def test_request_is_retried_after_connection_reset() -> None:
    async with fake_api(failing_first(2, Request.reset)) as api, client(api) as c:
        assert (await c.create(PODS, b"{}")).uid == "u1"
    assert len(api.requests) == 3


async def test_unreachable_server_is_an_explained_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    async with fake_api(failing_first(99, Request.reset)) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await c.create(PODS, b"{}")
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")
    assert caught.value.is_transient
    assert len(api.requests) == 5


async def test_throttled_client_waits_and_lowers_its_limit() -> None:
    async def refuse(request: Request) -> None:
        await request.status(429, "TooManyRequests", Retry_After="1")

    async with fake_api(failing_first(1, refuse)) as api, client(api) as c:
        seen: list[tuple[str, int]] = []
        c.on_request = lambda verb, status, _: seen.append((verb, status))
        began = asyncio.get_running_loop().time()
        await c.create(PODS, b"{}")
        assert asyncio.get_running_loop().time() - began >= 1.0
        assert c.limiter.limit == 16
        assert c.limiter.in_flight == 0
    assert seen == [("POST", 429), ("POST", 201)]


async def test_refused_request_raises_message_and_fields_of_server() -> None:
    async def handler(request: Request) -> None:
        causes = [{"reason": "FieldValueRequired", "message": "Required", "field": "spec.x"}]
        said = {"code": 422, "reason": "Invalid", "message": "bad", "details": {"causes": causes}}
        await request.answer(422, said)

    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await c.create(PODS, b"{}")
    assert (caught.value.reason, caught.value.message) == ("Invalid", "bad")
    assert caught.value.causes[0].field == "spec.x"
    assert not caught.value.is_transient
    assert len(api.requests) == 1


async def test_error_quotes_unknown_answer_briefly() -> None:
    async def handler(request: Request) -> None:
        await request.answer(502, b"<html>" + b"x" * 1000)

    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await c.get_raw(PODS)
    assert caught.value.status == 502
    assert len(caught.value.message) <= 256


@pytest.mark.parametrize(
    "said",
    [
        "Precondition failed: UID in precondition: a, UID in object meta: b",
        "the UID in the precondition (a) does not match the UID in record (b).",
    ],
)
async def test_delete_of_replaced_object_succeeds(said: str) -> None:
    async def handler(request: Request) -> None:
        await request.status(409, "Conflict", said)

    async with fake_api(handler) as api, client(api) as c:
        await c.delete(f"{PODS}/p", uid="a", grace=2)
        options = api.requests[0].json()
        assert options["preconditions"] == {"uid": "a"}
        assert options["gracePeriodSeconds"] == 2
        with pytest.raises(ApiError):
            await c.delete(f"{PODS}/p")


async def test_delete_of_missing_object_succeeds() -> None:
    async def handler(request: Request) -> None:
        await request.status(404, "NotFound")

    async with fake_api(handler) as api, client(api) as c:
        await c.delete(f"{PODS}/p", uid="a", grace=0)
    assert api.requests[0].json()["gracePeriodSeconds"] == 0


async def test_delete_raises_any_other_conflict() -> None:
    async def handler(request: Request) -> None:
        await request.status(409, "Conflict", "object was modified")

    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await c.delete(f"{PODS}/p", uid="a")
    assert caught.value.conflict


async def test_write_without_lease_is_not_sent() -> None:
    def guard() -> None:
        raise NotLeading("too late")

    async with fake_api(ok) as api, client(api, guard) as c:
        for write in (
            c.create(PODS, b"{}"),
            c.create_for(PODS, b"{}", bytes),
            c.put(f"{PODS}/p", b"{}", bytes),
            c.patch(f"{PODS}/p", b"{}"),
            c.delete(f"{PODS}/p"),
        ):
            with pytest.raises(NotLeading):
                await write
        await c.get_raw(PODS)
        await c.put("/lease", b"{}", bytes, priority=True)
    assert [r.verb for r in api.requests] == ["GET", "PUT"]


async def test_lease_lost_in_queue_stops_the_write() -> None:
    leading = True
    turn = asyncio.Event()

    def guard() -> None:
        if not leading:
            raise NotLeading("lost")

    async def handler(request: Request) -> None:
        await turn.wait()
        await ok(request)

    async with fake_api(handler) as api, client(api, guard, in_flight=1) as c:
        first = asyncio.create_task(c.create(PODS, b"{}"))
        second = asyncio.create_task(c.create(PODS, b"{}"))
        await asyncio.sleep(0.05)
        leading = False
        turn.set()
        await first
        with pytest.raises(NotLeading):
            await second
    assert len(api.requests) == 1


async def test_lease_lost_while_connecting_stops_the_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leading = True
    connect = ConnectionPool._connect

    def guard() -> None:
        if not leading:
            raise NotLeading("lost")

    async def takes_long(wire: ConnectionPool) -> Connection:
        nonlocal leading
        connection = await connect(wire)
        leading = False
        return connection

    monkeypatch.setattr(ConnectionPool, "_connect", takes_long)
    async with fake_api(ok) as api, client(api, guard) as c:
        with pytest.raises(NotLeading):
            await c.create(PODS, b"{}")
    assert (api.connections, api.requests) == (1, [])


async def test_request_not_accepted_in_time_is_never_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel holds it and would deliver it when the network is whole again, and another leads."""
    monkeypatch.setattr(module, "WRITE_TIMEOUT", 0.1)
    monkeypatch.setattr(http1, "UNHEARD_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        api = FakeApi(ok, port=deaf.getsockname()[1])
        async with client(api) as c:
            with pytest.raises(ApiError):
                await c.create(PODS, b"x" * 8_000_000)
        await asyncio.sleep(1.5)
        heard, _ = deaf.accept()
        with heard, pytest.raises(ConnectionResetError):
            _read_to_the_end(heard)


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


async def test_request_without_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_TIMEOUT", 0.05)
    async with fake_api(Request.hang) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await c.create(PODS, b"{}")
        assert c.limiter.in_flight == 0
    assert caught.value.timed_out
    assert caught.value.is_transient
    assert len(api.requests) == 1


async def test_garbled_answer_is_an_api_error() -> None:
    async def garbled(request: Request) -> None:
        request.writer.write(b"what?\r\n\r\n")
        await request.writer.drain()

    async def no_json(request: Request) -> None:
        await request.answer(200, b"{")

    for handler in (garbled, no_json):
        async with fake_api(handler) as api, client(api) as c:
            with pytest.raises(ApiError):
                await c.create(PODS, b"{}")


async def test_answer_to_cancelled_request_is_discarded() -> None:
    async def handler(request: Request) -> None:
        if request.path.endswith("slow"):
            await asyncio.sleep(0.05)
        await request.answer(200, meta(request.path.rpartition("/")[2]))

    async with fake_api(handler) as api, client(api) as c:
        slow = asyncio.create_task(c.patch(f"{PODS}/slow", b"{}"))
        await asyncio.sleep(0.02)
        slow.cancel()
        assert (await c.patch(f"{PODS}/quick", b"{}")).name == "quick"
        await asyncio.sleep(0.1)
        assert (await c.patch(f"{PODS}/again", b"{}")).name == "again"


async def test_path_cannot_contain_another_request() -> None:
    async with fake_api(ok) as api, client(api) as c:
        for path in ("/a b", "/a\r\nHost: x", "/a\n"):
            with pytest.raises(ValueError, match="not a request path"):
                await c.get_raw(path)
    assert api.requests == []


async def test_stream_yields_whole_lines_for_any_chunking() -> None:
    lines = [json.dumps({"n": n, "pad": "x" * (n * 37 % 5000)}).encode() for n in range(300)]

    async def handler(request: Request) -> None:
        await request.start_stream()
        raw = b"\n".join([*lines, b""])
        for at in range(0, len(raw), 1009):
            piece = raw[at : at + 1009]
            request.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await request.end_stream()

    async with fake_api(handler) as api, client(api) as c:
        assert await all_of(c.stream(PODS, query={"watch": "true"})) == lines
    assert api.requests[0].target == f"{PODS}?watch=true"


async def test_slow_consumer_pauses_server_and_misses_nothing() -> None:
    count, line = 3000, b"x" * 5000

    async def handler(request: Request) -> None:
        await request.start_stream()
        for _ in range(count):
            await request.send_line(line)
        await request.end_stream()

    seen = 0
    async with fake_api(handler) as api, client(api) as c, aclosing(c.stream(PODS)) as stream:
        async for got in stream:
            assert got == line
            seen += 1
            if seen % 300 == 0:
                await asyncio.sleep(0.01)
    assert seen == count


async def test_silent_stream_ends_with_timeout() -> None:
    async def handler(request: Request) -> None:
        await request.start_stream()
        await request.send_line({"n": 1})
        await request.hang()

    got: list[bytes] = []
    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await all_of(c.stream(PODS, idle=0.1), got)
    assert len(got) == 1
    assert caught.value.timed_out


async def test_stream_cut_off_raises_an_error() -> None:
    async def handler(request: Request) -> None:
        await request.start_stream()
        await request.send_line({"n": 1})
        request.writer.close()

    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await all_of(c.stream(PODS))
    assert caught.value.status == 0


async def test_refused_stream_raises_error_of_server() -> None:
    async def handler(request: Request) -> None:
        await request.status(410, "Expired", "too old")

    async with fake_api(handler) as api, client(api) as c:
        with pytest.raises(ApiError) as caught:
            await all_of(c.stream(PODS))
    assert caught.value.gone
    assert caught.value.message == "too old"
