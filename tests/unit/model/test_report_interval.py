from itertools import pairwise

import pytest

from stargate_operator.model.report_interval import (
    interval_seconds,
    longest_wait,
    next_report_seconds,
)
from stargate_types.job import NODES_PER_TIMEOUT_SECOND


def asked(rank: int, size: int, now: float, job: str = "a") -> float:
    return next_report_seconds(job, rank=rank, world_size=size, now=now)


def test_rank_0_reports_every_second() -> None:
    assert asked(0, 5000, 17.3) == 1


@pytest.mark.parametrize("size", [1, 2, 10, 990, 991, 5000, 99_999])
def test_gang_makes_at_most_100_requests_per_second(size: int) -> None:
    assert (size - 1) / interval_seconds(size) + 1 <= 100.000001
    assert interval_seconds(size) >= 10


def test_ranks_started_together_spread_their_reports_evenly() -> None:
    size, start = 5000, 1000.0
    first = [start + asked(rank, size, start) for rank in range(1, size)]
    second = [now + asked(rank, size, now) for rank, now in enumerate(first, start=1)]
    in_each_second = [0] * 200
    for moment in second:
        in_each_second[int(moment - start)] += 1
    assert max(in_each_second) <= 101


def test_early_or_late_rank_returns_to_its_slot() -> None:
    interval = interval_seconds(5000)
    now = 1000 + asked(17, 5000, 1000)
    moments = [now]
    for late in (0.3, -0.2, 0.0, 1.0):
        moments.append(moments[-1] + asked(17, 5000, moments[-1]) + late)
    for one, next_ in pairwise(moments):
        assert next_ - one == pytest.approx(interval, abs=1.3)


def test_jobs_have_different_report_offsets() -> None:
    assert asked(1, 4, 0, job="a") != asked(1, 4, 0, job="b")


@pytest.mark.parametrize(
    ("size", "timeout", "interval"), [(2, None, 10), (2, 600, 10), (2, 6, 2), (5000, 152, 50.5)]
)
def test_every_rank_reports_before_it_is_overdue(
    size: int, timeout: float | None, interval: float
) -> None:
    found = interval_seconds(size, timeout)
    assert found == pytest.approx(interval, abs=0.1)
    assert timeout is None or longest_wait(size, timeout) < timeout
    assert asked_under(timeout, rank=0) <= (timeout or 3) / 3


@pytest.mark.parametrize("timeout", [1, 5, 60, 152, 3031])
def test_largest_admitted_gang_can_report_in_time(timeout: int) -> None:
    size = timeout * NODES_PER_TIMEOUT_SECOND
    assert longest_wait(size, timeout) <= timeout * 0.55


def asked_under(timeout: float | None, rank: int) -> float:
    return next_report_seconds("a", rank=rank, world_size=4, now=17.3, report_timeout=timeout)
