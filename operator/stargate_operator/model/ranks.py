"""Ranks in words: an interval string, so that naming five thousand of them takes a line."""

from collections.abc import Iterable, Iterator

_AT_MOST = 10


def interval_string(ranks: Iterable[int], at_most: int = _AT_MOST) -> str:
    """`1-5,7`; beyond `at_most` intervals, how many ranks are left unnamed."""
    intervals = list(_intervals(sorted(ranks)))
    named, unnamed = intervals[:at_most], intervals[at_most:]
    words = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in named)
    left = sum(last - first + 1 for first, last in unnamed)
    return f"{words} and {left} more" if left else words


def ranks_of(intervals: str) -> frozenset[int]:
    """The ranks in an interval string such as `1-5,7`."""
    found: set[int] = set()
    for interval in filter(None, intervals.split(",")):
        first, _, last = interval.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _intervals(ranks: list[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for rank in ranks:
        if first is None or last is None:
            first = last = rank
        elif rank == last + 1:
            last = rank
        else:
            yield first, last
            first = last = rank
    if first is not None and last is not None:
        yield first, last
