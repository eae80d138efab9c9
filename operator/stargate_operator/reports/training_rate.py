"""Measures how fast an attempt trains, from the times at which a count of rank 0 was first seen."""

from collections import deque
from datetime import datetime

_WINDOW = 16


class TrainingRate:
    """Seconds for each epoch, or for each step, over the last changes of the count in one attempt.

    It is measured between changes of the count. The first report may come at any time within an epoch,
    so it counts only until two changes were seen. A window of several changes limits the effect of one
    slow epoch or step (a checkpoint, a warm-up).
    """

    def __init__(self) -> None:
        self._first: tuple[int, datetime] | None = None
        self._changes: deque[tuple[int, datetime]] = deque(maxlen=_WINDOW)

    def saw(self, count: int, at: datetime) -> None:
        latest = self._latest()
        if latest is None or count < latest[0]:
            self._restart(count, at)
        elif count > latest[0]:
            self._changes.append((count, at))

    @property
    def seconds(self) -> float | None:
        """Seconds for one epoch or step; None before the count has changed."""
        if not self._changes:
            return None
        start = self._changes[0] if len(self._changes) > 1 else self._first
        end = self._changes[-1]
        assert start is not None
        return max((end[1] - start[1]).total_seconds(), 0.0) / (end[0] - start[0])

    def _latest(self) -> tuple[int, datetime] | None:
        return self._changes[-1] if self._changes else self._first

    def _restart(self, count: int, at: datetime) -> None:
        """Starts again, also when a trainer goes back within its attempt: older
        times say nothing then."""
        self._first = (count, at)
        self._changes.clear()
