"""Virtual time passes only when no task can run."""

import asyncio
import time
from random import Random

import pytest

from tests.kit import virtual_time
from tests.kit.virtual_time import Deadlock, Livelock, owned_by, running_loop


def test_virtual_hour_takes_no_real_time() -> None:
    async def an_hour() -> float:
        began = running_loop().time()
        await asyncio.sleep(3600)
        return running_loop().time() - began

    began = time.monotonic()
    assert virtual_time.run(an_hour()) == 3600
    assert time.monotonic() - began < 1


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def three() -> list[int]:
        fired: list[int] = []
        for delay in (3, 1, 2):
            running_loop().call_later(delay, fired.append, delay)
        await asyncio.sleep(5)
        return fired

    assert virtual_time.run(three()) == [1, 2, 3]


def test_a_cancelled_timer_moves_no_clock() -> None:
    async def cancelled() -> float:
        loop = running_loop()
        began = loop.time()
        timer = loop.call_later(1, lambda: None)
        loop.call_later(0.5, timer.cancel)
        await asyncio.sleep(0.75)
        return loop.time() - began

    assert virtual_time.run(cancelled()) == 0.75


def test_timeout_ends_a_slow_wait() -> None:
    async def slow() -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(2)

    with pytest.raises(TimeoutError):
        virtual_time.run(slow())


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def test_deadlock_error_names_the_waiting_tasks() -> None:
    async def stuck() -> None:
        await asyncio.create_task(wait_for_ever(), name="the one that waits")

    with pytest.raises(Deadlock, match=r"the one that waits at wait_for_ever .*test_virtual_time"):
        virtual_time.run(stuck())


def test_a_livelock_is_an_error() -> None:
    async def spin() -> None:
        async with asyncio.timeout(1):
            while True:  # noqa: ASYNC110 - this is the fault
                await asyncio.sleep(0)

    with pytest.raises(Livelock, match="no time goes by"):
        virtual_time.run(spin())


def test_threads_are_refused() -> None:
    async def thread() -> None:
        await asyncio.to_thread(time.monotonic)

    with pytest.raises(RuntimeError, match="no threads"):
        virtual_time.run(thread())


async def order_of(names: str) -> str:
    found: list[str] = []

    async def say(name: str) -> None:
        await asyncio.sleep(1)
        found.append(name)

    await asyncio.gather(*(say(name) for name in names))
    return "".join(found)


def test_ready_tasks_run_in_order_without_dice() -> None:
    assert virtual_time.run(order_of("abcdefgh")) == "abcdefgh"


def test_seed_decides_the_order_of_tasks() -> None:
    orders = [virtual_time.run(order_of("abcdefgh"), dice=Random(seed)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_tasks_of_paused_owner_wait_while_others_run() -> None:
    async def told() -> list[tuple[str, float]]:
        loop, ticks = running_loop(), list[tuple[str, float]]()
        began = loop.time()

        async def tick(name: str) -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                ticks.append((name, loop.time() - began))

        tasks = [
            loop.create_task(tick(name), context=owned_by(name)) for name in ("paused", "other")
        ]
        loop.call_later(1.5, loop.pause, "paused")
        loop.call_later(10, loop.resume, "paused")
        await asyncio.gather(*tasks)
        return ticks

    assert virtual_time.run(told()) == [
        ("paused", 1),
        ("other", 1),
        ("other", 2),
        ("other", 3),
        ("paused", 10),
        ("paused", 11),
    ]


def test_task_belongs_to_owner_of_its_parent_task() -> None:
    async def both() -> tuple[int, int]:
        loop = running_loop()

        async def parent() -> None:
            child = asyncio.create_task(asyncio.sleep(10))
            await child

        task = loop.create_task(parent(), context=owned_by("a"))
        await asyncio.sleep(1)
        counts = len(loop.tasks_of("a")), len(loop.tasks_of("b"))
        await task
        return counts

    assert virtual_time.run(both()) == (2, 0)
