"""SIGTERM: it is stored, passed to the earlier handler, and still ends forked children."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from stargate_worker.shutdown import Shutdown, SigtermWatch


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def watched(
    grace_seconds: float = 30, clock: Callable[[], float] = time.monotonic
) -> tuple[Shutdown, SigtermWatch]:
    shutdown = Shutdown(grace_seconds, clock=clock)
    watch = SigtermWatch(shutdown)
    watch.install()
    return shutdown, watch


def test_sigterm_starts_the_grace_period() -> None:
    shutdown, _ = watched(10, clock := Clock())
    assert (shutdown.stopping, shutdown.seconds_left) == (False, None)

    os.kill(os.getpid(), signal.SIGTERM)

    clock.now += 4
    assert (shutdown.stopping, shutdown.seconds_left) == (True, 6)


def test_second_sigterm_gives_no_more_time() -> None:
    shutdown, _ = watched(10, clock := Clock())
    os.kill(os.getpid(), signal.SIGTERM)
    clock.now += 4
    os.kill(os.getpid(), signal.SIGTERM)
    assert shutdown.seconds_left == 6


def test_earlier_handler_is_called_and_restored() -> None:
    heard: list[int] = []

    def listen(number: int, frame: FrameType | None) -> None:
        del frame
        heard.append(number)

    signal.signal(signal.SIGTERM, listen)
    shutdown, watch = watched()
    os.kill(os.getpid(), signal.SIGTERM)
    assert shutdown.stopping
    assert heard == [signal.SIGTERM]

    watch.remove()
    assert signal.getsignal(signal.SIGTERM) is listen


def test_later_handler_stays() -> None:
    _, watch = watched()
    later = signal.SIG_IGN
    signal.signal(signal.SIGTERM, later)
    watch.remove()
    assert signal.getsignal(signal.SIGTERM) == later


def test_joining_outside_the_main_thread_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=watched)
    thread.start()
    thread.join()
    assert "main thread" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before


def test_forked_child_ends_on_sigterm() -> None:
    watched()
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    time.sleep(0.1)
    child.terminate()
    child.join(5)
    assert child.exitcode == -signal.SIGTERM


def test_operator_s_request_stops_without_a_deadline() -> None:
    shutdown = Shutdown(30)
    shutdown.request()
    assert shutdown.stopping
    assert not shutdown.terminated
    assert shutdown.seconds_left is None
