"""Measures how fast an attempt trains, from the times at which an epoch of rank 0 was first seen."""

from collections import deque
from datetime import datetime

_WINDOW = 16


class EpochRate:
    """Seconds per epoch over the last epochs of one attempt.

    It is measured between changes of the epoch. The first report may come at any time within an epoch,
    so it counts only until two changes were seen. A window of several epochs limits the effect of one
    slow epoch (a checkpoint, a warm-up).
    """

    def __init__(self) -> None:
        self._first: tuple[int, datetime] | None = None
        self._changes: deque[tuple[int, datetime]] = deque(maxlen=_WINDOW)

    def saw(self, epoch: int, at: datetime) -> None:
        latest = self._latest()
        if latest is None or epoch < latest[0]:
            self._restart(epoch, at)
        elif epoch > latest[0]:
            self._changes.append((epoch, at))

    @property
    def epoch_seconds(self) -> float | None:
        if not self._changes:
            return None
        start = self._changes[0] if len(self._changes) > 1 else self._first
        end = self._changes[-1]
        assert start is not None
        return max((end[1] - start[1]).total_seconds(), 0.0) / (end[0] - start[0])

    def _latest(self) -> tuple[int, datetime] | None:
        return self._changes[-1] if self._changes else self._first

    def _restart(self, epoch: int, at: datetime) -> None:
        """Starts again, also when a trainer goes back within its attempt: older
        times say nothing then."""
        self._first = (epoch, at)
        self._changes.clear()
