"""The API server in memory keeps the promises of a real one (tests/apiserver/test_promises.py)."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from tests.kit.api_promises import JOB, Promises
from tests.kit.api_server import ApiServer, faults
from tests.kit.api_server.network import Network
from tests.kit.api_server.requests import Request
from tests.kit.virtual_time import VirtualLoop

Json = dict[str, Any]


class InMemory:
    """The server as a client sees it that waits for each answer."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.api = runner.run(self._made())

    async def _made(self) -> ApiServer:
        return ApiServer(Random(1))

    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Json]:
        response = self.api.handle(_request(method, path, body, content, accept))
        return response.status, msgspec.json.decode(response.body)

    def events(self, path: str) -> list[Json]:
        async def collected() -> list[Json]:
            watch = self.api.watch(_request("GET", path, None, "", ""), lambda: 0.01)
            return [msgspec.json.decode(line) async for line in watch.lines(90.0)]

        return self._runner.run(collected())


def _request(method: str, path: str, body: Json | None, content: str, accept: str) -> Request:
    where, _, query = path.partition("?")
    headers = {"content-type": content, "accept": accept, "user-agent": "test"}
    raw = b"" if body is None else msgspec.json.encode(body)
    return Request(method, where, dict(parse_qsl(query, keep_blank_values=True)), headers, raw)


@pytest.fixture
def server() -> Iterator[InMemory]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield InMemory(runner)


@pytest.fixture
def namespace() -> str:
    return "team-a"


class TestPromises(Promises):
    pass


def http(method: str, path: str, body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nUser-Agent: test\r\n\r\n".encode() + body


async def exchanged(fault: faults.Fault | None) -> tuple[object, bool]:
    """The answer to a create, and True if the object exists afterwards."""
    api = ApiServer(Random(1))
    if fault is not None:
        api.strike(fault, verb="create", times=1)
    network = Network(api, latency=lambda: 0.01)
    path = "/apis/stargate.dev/v1alpha1/namespaces/team-a/stargatejobs"
    try:
        answer: object = (await network.request(http("POST", path, _JOB), 5.0)).status
    except OSError as error:
        answer = type(error)
    await asyncio.sleep(60)
    return answer, bool(list(api.store.everything()))


_JOB = msgspec.json.encode(JOB)


@pytest.mark.parametrize(
    ("fault", "answer", "exists"),
    [
        (None, 201, True),
        (faults.too_many(), 429, False),
        (faults.broken(), 500, False),
        (faults.LOST, ConnectionResetError, False),
        (faults.ANSWER_LOST, ConnectionResetError, True),
        (faults.UNHEARD, TimeoutError, False),
        (faults.UNANSWERED, TimeoutError, True),
        (faults.delayed(before=1.0), 201, True),
        (faults.delayed(before=4.0, after=4.0), TimeoutError, True),
        (faults.delayed(before=60.0), TimeoutError, False),
    ],
)
def test_a_fault_strikes_before_or_after_the_write(
    fault: faults.Fault | None, answer: object, exists: bool
) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(exchanged(fault)) == (answer, exists)


def test_a_forgotten_version_is_gone(server: InMemory, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    began = server.api.store.revision
    server.ask("POST", path, {"metadata": {"name": "a"}, "spec": {"containers": []}})
    server.api.compact()
    code, refusal = _watched(server, f"{path}?watch=true&resourceVersion={began}")
    assert (code, refusal["reason"]) == (410, "Expired")


def _watched(server: InMemory, path: str) -> tuple[int, Json]:
    async def refused() -> tuple[int, Json]:
        network = Network(server.api, latency=lambda: 0.01)
        stream = await network.stream(http("GET", path), timeout=5.0, idle=5.0)
        return stream.status, msgspec.json.decode(stream.rest())

    return server._runner.run(refused())
