"""The rank that fell silent first, found from each rank's last report."""

import sys
import tracemalloc

from stargate_operator.model.heartbeats import Heartbeats
from tests.kit.builders import at, heartbeats

INTERVAL = 10.0


def test_rank_that_never_reported_is_not_silent() -> None:
    assert heartbeats().last_heard is None
    assert heartbeats((2, -5)).first_silent(INTERVAL) == [2]


def test_rank_overdue_while_others_reported_was_first_silent() -> None:
    heard = heartbeats((0, -60), (1, -59), (2, -58), (0, -31), (1, -30), (1, -20), (0, -21))
    assert heard.first_silent(INTERVAL) == [2]


def test_ranks_silent_within_one_interval_are_all_suspected() -> None:
    heard = heartbeats((0, -50), (1, -46), (2, -42))
    assert heard.first_silent(INTERVAL) == [0, 1, 2]


def test_among_suspects_the_lowest_step_stopped_first() -> None:
    heard = heartbeats((0, -50, 131), (1, -46, 120), (2, -42, 131))
    assert heard.first_silent(INTERVAL) == [1]
    assert heard.steps([1]) == (120, 120)
    assert heard.steps([0, 1, 2]) == (120, 131)


def test_steps_count_only_if_all_suspects_report_them() -> None:
    assert heartbeats((0, -50), (1, -46, 120)).first_silent(INTERVAL) == [0, 1]


def test_rank_with_long_interval_is_not_silent() -> None:
    epochs = [(0, -180.0), (0, -120.0), (0, -60.0)]
    others = [(1, -1.0 * second) for second in range(170, 40, -10)]
    heard = heartbeats(*sorted([*epochs, *others], key=lambda beat: beat[1]))
    assert heard.first_silent(INTERVAL) == [0, 1]


def test_report_of_any_rank_ends_silence() -> None:
    assert heartbeats((0, -50), (3, -7)).last_heard == at(-7)


def test_heartbeats_of_five_thousand_ranks_take_kilobytes() -> None:
    tracemalloc.start()
    heard = Heartbeats()
    for rank in range(5000):
        heard.beat(rank, at(0), step=1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sys.getsizeof(heard) < 1000
    assert taken < 200_000
