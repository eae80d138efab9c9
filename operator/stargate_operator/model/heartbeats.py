"""When each rank of an attempt was last heard, and at which step: who fell silent first.

A few numbers a rank, because a gang has thousands; what the ranks said is kept elsewhere. Times are
seconds since the epoch and come with the reports.

See docs/decisions/0023-who-fell-silent-first.md.
"""

from array import array
from datetime import UTC, datetime

_NEVER = float("-inf")
_UNSAID = -1


class Heartbeats:
    """When each rank of one attempt was last heard of, and at which step.

    Arrays by rank, so that the reports of thousands of ranks take little memory.
    """

    def __init__(self) -> None:
        self._heard = array("d")
        self._gap = array("f")
        self._step = array("q")
        self._last = _NEVER

    def beat(self, rank: int, at: datetime, step: int | None = None) -> None:
        self._make_room(rank)
        moment = at.timestamp()
        if self._heard[rank] > _NEVER:
            self._gap[rank] = moment - self._heard[rank]
        self._heard[rank] = self._last = moment
        if step is not None:
            self._step[rank] = step

    @property
    def last_heard(self) -> datetime | None:
        """When any rank last reported."""
        return None if self._last == _NEVER else datetime.fromtimestamp(self._last, UTC)

    @property
    def ranks(self) -> list[int]:
        """Those that have reported."""
        return [rank for rank, heard in enumerate(self._heard) if heard > _NEVER]

    def first_silent(self, interval: float) -> list[int]:
        """Every rank that may have been the first to fall silent; `interval` is how long, at least,
        a rank may take from one report to the next.

        A rank fell silent between its last report and the time for its next. A rank that was
        heard after the time of another had passed was not the first. Among the ranks that this leaves,
        one that got less far than the others stopped before them.
        """
        ranks = self.ranks
        due = min((self._heard[r] + max(interval, self._gap[r]) for r in ranks), default=0.0)
        return self._least_far([rank for rank in ranks if self._heard[rank] <= due])

    def steps(self, ranks: list[int]) -> tuple[int, int] | None:
        """The lowest and the highest that these last reported."""
        found = [self._step[rank] for rank in ranks if self._step[rank] != _UNSAID]
        return (min(found), max(found)) if found else None

    def _least_far(self, ranks: list[int]) -> list[int]:
        """All of them where one does not say how far it is."""
        lowest = min((self._step[rank] for rank in ranks), default=_UNSAID)
        if lowest == _UNSAID:
            return ranks
        return [rank for rank in ranks if self._step[rank] == lowest]

    def _make_room(self, rank: int) -> None:
        missing = rank + 1 - len(self._heard)
        if missing > 0:
            self._heard.extend([_NEVER] * missing)
            self._gap.extend([0.0] * missing)
            self._step.extend([_UNSAID] * missing)
