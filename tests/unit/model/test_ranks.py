import pytest

from stargate_operator.model.ranks import interval_string


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        ([], ""),
        ([7], "7"),
        ([7, 1, 2, 3, 4, 5], "1-5,7"),
        (range(5000), "0-4999"),
        ([1, 2, 5, 7, 8, 9], "1-2,5 and 3 more"),
    ],
)
def test_ranks_become_a_few_intervals(ranks: list[int], words: str) -> None:
    assert interval_string(ranks, at_most=2) == words


def test_interval_string_of_many_ranks_fits_a_line() -> None:
    words = interval_string(range(0, 99_999, 2))
    assert words.startswith("0,2,4")
    assert len(words) < 80
