"""The recorder's heartbeat: the machine's slowness is not taken for the operator's."""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from stargate_lab.cluster.api import Credentials
from tests.kit.recorder import check, heartbeat
from tests.kit.recorder.heartbeat import Beat, Heartbeat, Starvation, standstills, waited_seconds
from tests.kit.recorder.history import Interruption, lost_by
from tests.unit.recorder.stage import Stage

SLOW = 0.3


@pytest.mark.parametrize(("seconds", "found"), [(0.1, 0), (0.5, 0), (0.6, 1), (21.0, 1)])
def test_slow_beat_is_a_standstill(seconds: float, found: int) -> None:
    assert len(standstills([Beat(100.0, 100.0 + seconds)])) == found


def test_time_that_is_lost_twice_counts_once() -> None:
    lost = [Interruption(10, 20), Interruption(15, 25), Interruption(40, 50)]
    assert [lost_by(moment, lost) for moment in (5, 12, 30, 45, 60)] == [0, 2, 15, 20, 25]


def _late_status(history: Stage) -> bool:
    return any(each.invariant == 8 for each in check(history.history))


def _failed_pod() -> Stage:
    """The status is of a moment ago: rank 1 ran."""
    history = Stage().job().pod(0).pod(1).running(0, 1)
    counts = {"created": 2, "scheduled": 2, "running": 2, "ready": 2, "succeeded": 0, "failed": 0}
    return history.told(counts).pod(1, phase="Failed", node="node")


def test_slow_status_on_prompt_machine_is_late() -> None:
    assert _late_status(_failed_pod().wait(21))


def test_status_during_a_standstill_is_not_late() -> None:
    history = _failed_pod()
    began = history.now
    history.wait(21).history.standstills.append(Interruption(began, history.now))
    assert not _late_status(history)


def test_slow_status_after_a_standstill_is_late() -> None:
    history = _failed_pod()
    history.history.standstills.append(Interruption(history.now, history.now + 21))
    assert _late_status(history.wait(21 + 10))


@asynccontextmanager
async def beating(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], int], slow: Callable[[int], float]
) -> AsyncIterator[Heartbeat]:
    """Against a server that answers with that status, and shows a beat after that many seconds."""
    monkeypatch.setattr(heartbeat, "PERIOD_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "PROMPT_SECONDS", SLOW / 2)
    written: asyncio.Queue[int] = asyncio.Queue()

    async def write(request: web.Request) -> web.Response:
        written.put_nowait(json.loads(await request.text())["spec"]["leaseTransitions"])
        return web.Response(status=answer())

    async def watch(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            number = await written.get()
            await asyncio.sleep(slow(number))
            event = {"object": {"spec": {"leaseTransitions": number}}}
            await stream.write(json.dumps(event).encode() + b"\n")

    app = web.Application()
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    app.add_routes([web.patch(f"{leases}/recorder", write), web.get(leases, watch)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    found = Heartbeat(
        Credentials(f"http://127.0.0.1:{port}", ssl.create_default_context()),
        "recorder",
        Starvation(list),
    )
    async with aiohttp.ClientSession() as session:
        task = asyncio.create_task(found.beat(session))
        try:
            yield found
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    await runner.cleanup()


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_beat_that_is_shown_late_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time()
    slow = {3: SLOW}
    async with beating(monkeypatch, lambda: 200, lambda number: slow.get(number, 0.0)) as beats:
        await until(lambda: beats.standstills(0.0))
        (lost,) = beats.standstills(0.0)
    assert began <= lost.start < lost.end - SLOW / 2


async def test_beat_not_shown_yet_counts_until_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with beating(monkeypatch, lambda: 200, lambda number: 60.0 * (number > 2)) as beats:
        await until(lambda: beats.standstills(time.time()))
        (lost,) = beats.standstills(time.time() + 20)
    assert lost.end - lost.start > 20


async def test_failing_server_counts_as_a_standstill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([200] * 4)
    async with beating(monkeypatch, lambda: next(answers, 503), lambda _: 0.0) as beats:
        await until(lambda: beats.standstills(time.time()))


async def test_a_refused_beat_says_nothing_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([200] * 4)
    async with beating(monkeypatch, lambda: next(answers, 403), lambda _: 0.0) as beats:
        await until(lambda: next(answers, 403) == 403)
        await asyncio.sleep(2 * SLOW)
        assert beats.standstills(time.time()) == []


def test_operator_waiting_for_processor_is_not_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = {1: 10.0, 2: 3.0}
    monkeypatch.setattr(heartbeat, "waited_seconds", lambda pid: waited[pid])
    operators = Starvation(lambda: list(waited))
    operators.look(100.0)
    waited |= {1: 10.3, 2: 3.05, 3: 50.0}
    operators.look(100.5)
    waited[2] = 3.1
    operators.look(101.0)
    (found,) = operators.found
    assert found.start == pytest.approx(100.2)
    assert found.end == 100.5


def test_a_process_that_has_ended_waits_for_nothing() -> None:
    assert waited_seconds(os.getpid()) >= 0
    assert waited_seconds(2**22 + 1) == 0
