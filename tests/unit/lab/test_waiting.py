"""A time limit starts when the wait starts, by the test's own clock."""

from dataclasses import dataclass

from stargate_lab.host.waiting import Clock, Stall, wait_until


@dataclass
class Time:
    """Passes only while somebody sleeps, or where the test says so."""

    seconds: float = 1000.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep)


def test_a_wait_ends_when_the_condition_comes_true() -> None:
    time = Time()
    assert wait_until(lambda: time.seconds >= 1005, 10, pause=1, clock=time.clock)
    assert time.seconds == 1005


def test_a_wait_gives_up_after_its_limit() -> None:
    time = Time()
    assert not wait_until(lambda: False, 10, pause=1, clock=time.clock)
    assert time.seconds == 1011


def test_a_stall_is_counted_from_the_first_look() -> None:
    time = Time()
    stall = Stall(time.clock)
    time.sleep(420)
    assert stall.seconds("version 1") == 0
    time.sleep(5)
    assert stall.seconds("version 1") == 5


def test_a_change_ends_a_stall() -> None:
    time = Time()
    stall = Stall(time.clock)
    stall.seconds("version 1")
    time.sleep(200)
    assert stall.seconds("version 2") == 0
