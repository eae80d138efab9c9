from __future__ import annotations

import asyncio

import pytest

from stargate_operator.kube.aimd import Limiter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_limiter_allows_at_most_ceiling_in_flight() -> None:
    limiter = Limiter(3, Clock())
    most = 0

    async def one() -> None:
        nonlocal most
        await limiter.acquire()
        most = max(most, limiter.in_flight)
        await asyncio.sleep(0)
        limiter.release()

    await asyncio.gather(*[one() for _ in range(20)])
    assert (most, limiter.in_flight) == (3, 0)


async def test_request_ahead_passes_waiting_requests() -> None:
    limiter, order = Limiter(1, Clock()), list[str]()

    async def one(name: str, *, ahead: bool = False) -> None:
        await limiter.acquire(ahead=ahead)
        order.append(name)
        await asyncio.sleep(0)
        limiter.release()

    pods = [one(f"pod {rank}") for rank in range(3)]
    await asyncio.gather(*pods, one("status", ahead=True))
    assert order == ["pod 0", "status", "pod 1", "pod 2"]


def test_burst_of_429s_halves_limit_once() -> None:
    clock = Clock()
    limiter = Limiter(32, clock)
    for _ in range(16):
        limiter.throttled()
    assert limiter.limit == 16
    clock.now += 1.0
    limiter.throttled()
    assert limiter.limit == 8


def test_limit_never_falls_below_one() -> None:
    clock = Clock()
    limiter = Limiter(4, clock)
    for _ in range(10):
        clock.now += 1
        limiter.throttled()
    assert limiter.limit == 1


def test_successful_window_raises_limit_up_to_ceiling() -> None:
    limiter = Limiter(4, Clock())
    limiter.throttled()
    for _ in range(2 + 3):
        limiter.succeeded()
    assert limiter.limit == 4
    for _ in range(50):
        limiter.succeeded()
    assert limiter.limit == 4


async def test_slot_given_to_cancelled_waiter_is_returned() -> None:
    limiter = Limiter(1, Clock())
    await limiter.acquire()
    waiter = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.release()  # the slot is the waiter's now …
    waiter.cancel()  # … which ends before it learns of it
    with pytest.raises(asyncio.CancelledError):
        await waiter
    async with asyncio.timeout(1):
        await limiter.acquire()


async def test_waiter_cancelled_in_queue_is_skipped() -> None:
    limiter = Limiter(1, Clock())
    await limiter.acquire()
    first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    limiter.release()
    async with asyncio.timeout(1):
        await second
