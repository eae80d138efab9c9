"""AsyncClient: the methods and errors of Client, and an event loop that never blocks."""

import asyncio
import inspect
import threading
import time
from typing import Any

import pytest

from stargate_api import AsyncClient, Client, InvalidConfig, NotFound
from tests.unit.api.scripted_server import ARTICLE, KEY, job, no
from tests.unit.api.serving import Handler, Serving, serving

PUBLIC = [name for name in dir(Client) if not name.startswith("_")]


def client(server: Serving) -> AsyncClient:
    return AsyncClient(KEY, endpoint=server.url, namespace="team", timeout=5, retries=0)


def named(client: type, name: str) -> Any:
    return inspect.getattr_static(client, name)


def test_both_clients_have_the_same_methods() -> None:
    assert [name for name in dir(AsyncClient) if not name.startswith("_")] == PUBLIC


@pytest.mark.parametrize("name", [n for n in PUBLIC if callable(named(Client, n))])
def test_async_method_has_the_blocking_signature_and_docstring(name: str) -> None:
    ours, theirs = named(AsyncClient, name), named(Client, name)
    assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
    assert ours.__doc__ == theirs.__doc__
    assert ours.__doc__


async def test_async_client_submits_and_reads_a_job() -> None:
    def answer(to: Handler) -> None:
        to.reply(201, {}) if to.command == "POST" else to.reply(200, job(phase="Running"))

    with serving(answer) as server:
        async with client(server) as c:
            assert (await c.submit_training_job(ARTICLE)).startswith("team/stargate-materia-v3-")
            assert (await c.get_job_status("job"))["state"] == "Running"


async def test_async_client_raises_the_same_errors() -> None:
    gone = no(404, "not found", details={"name": "job"})
    with serving(lambda to: to.reply(404, {"details": {"name": "job"}})) as server:
        async with client(server) as c:
            with pytest.raises(NotFound, match="no job job in namespace team"):
                await c.get_job_status("job")
            with pytest.raises(InvalidConfig):
                await c.submit_training_job({})
    assert gone.status == 404


async def test_slow_requests_do_not_block_the_loop() -> None:
    def slow(to: Handler) -> None:
        time.sleep(0.3)
        to.reply(200, job(phase="Running"))

    with serving(slow) as server:
        async with client(server) as c:
            began = time.monotonic()
            await asyncio.gather(*(c.get_job_status("job") for _ in range(8)))
            assert time.monotonic() - began < 1.5


def stalling(server: list[Serving]) -> Any:
    """Answers a status, and then a watch and a log that send nothing more."""

    def answer(to: Handler) -> None:
        if "watch=" not in to.path and "/log" not in to.path:
            return to.reply(200, job(phase="Running"))
        to.begin()
        to.chunk(b"epoch 1\n" if "/log" in to.path else b"")
        server[0].released.wait(20)
        return None

    return answer


async def test_cancelled_wait_ends_at_once_without_a_thread() -> None:
    before = threading.active_count()
    held: list[Serving] = []

    def answer(to: Handler) -> None:
        if "watch=" not in to.path:
            return to.reply(200, job(phase="Running"))
        to.send_response(200)
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        to.wfile.flush()
        held[0].released.wait(20)
        return None

    with serving(answer) as server:
        held.append(server)
        c = client(server)
        waiting = asyncio.create_task(c.wait("job"))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert time.monotonic() - began < 1
        await c.close()
    await _settled(before)


async def test_closing_a_log_does_not_wait() -> None:
    held: list[Serving] = []
    with serving(stalling(held)) as server:
        held.append(server)
        async with client(server) as c:
            lines = c.logs("job", follow=True)
            assert await anext(lines) == "epoch 1"
            began = time.monotonic()
            await lines.aclose()  # type: ignore[attr-defined]
            assert time.monotonic() - began < 1


async def _settled(threads: int) -> None:
    until = time.monotonic() + 5
    while threading.active_count() > threads:
        assert time.monotonic() < until, threading.enumerate()
        await asyncio.sleep(0.05)
