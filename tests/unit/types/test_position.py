"""The order of positions: epochs first, then steps; a position without a step begins its epoch."""

from itertools import combinations, permutations

import pytest

from stargate_types.position import START, Position

ORDERED = [
    START,
    Position(0, 0),
    Position(0, 1),
    Position(0, 10),
    Position(1),
    Position(1, 0),
    Position(1, 5),
    Position(2, 3),
    Position(10),
    Position(10, 2**60),
]


@pytest.mark.parametrize(("older", "newer"), list(combinations(ORDERED, 2)), ids=str)
def test_any_two_positions_have_an_order(older: Position, newer: Position) -> None:
    assert older < newer
    assert newer > older
    assert older != newer
    assert older <= older


def test_positions_sort_alike_from_any_arrangement() -> None:
    few = ORDERED[2:7]
    assert all(sorted(each) == few for each in permutations(few))


def test_equal_positions_are_one_value() -> None:
    assert len({Position(3, 7), Position(3, 7), Position(3)}) == 2


@pytest.mark.parametrize(
    ("told", "matches"),
    [
        (Position(5, 300), True),
        (Position(5), True),
        (Position(5, 301), False),
        (Position(4, 300), False),
        (Position(4), False),
    ],
)
def test_told_position_may_leave_the_step_out(told: Position, matches: bool) -> None:
    assert Position(5, 300).matches(told) is matches


def test_step_of_a_position_without_one_is_unknown() -> None:
    assert not Position(5).matches(Position(5, 300))


@pytest.mark.parametrize(
    ("position", "words"), [(Position(5), "epoch 5"), (Position(0, 3000), "epoch 0, step 3000")]
)
def test_position_reads_as_words(position: Position, words: str) -> None:
    assert str(position) == words
