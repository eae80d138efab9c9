"""How long the next attempt waits after a failure: 0, 10, 20, 40 … 300 s.

The first failure after a checkpoint restarts the gang at once. Any failure that repeats without a newer
checkpoint waits, whosever fault it is: a drain or a full node would restart the gang twice a second.

See docs/decisions/0045-one-table-of-causes.md.
"""

from datetime import timedelta

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import NOT_FAILURES
from stargate_operator.model import checkpoints
from stargate_types.status import Cause

_AT_ONCE = NOT_FAILURES | {Cause.CHECKPOINT_DAMAGED}
"""Causes without a pause. Each damage turns to an older checkpoint, so it soon ends."""
_STEP = timedelta(seconds=10)
_CAP = timedelta(seconds=300)


def pause_after_failure(observed: Observed) -> timedelta:
    """The pause between the end of the previous attempt and the start of the current one."""
    return pause(max(observed.failures, _without_progress(observed)))


def pause(failures: int) -> timedelta:
    if failures <= 1:
        return timedelta(0)
    doubled: timedelta = _STEP * 2 ** min(failures - 2, 10)
    return min(doubled, _CAP)


def _without_progress(observed: Observed) -> int:
    """Failures since the attempt that wrote the newest complete checkpoint, that attempt's included.
    Counted from the attempts in the status, so a new leader counts the same."""
    newest = max((each.attempt for each in checkpoints.complete(observed.saved)), default=0)
    return sum(
        attempt.end is not None and attempt.cause not in _AT_ONCE and attempt.number >= newest
        for attempt in observed.job.status.attempts
    )
