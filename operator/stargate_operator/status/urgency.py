"""Decides whether a status is worth a write, and how soon.

A change of clocks alone is not written. A change in the job's life is written at once, before any
effect. Counts and progress are written at intervals, because one write for each pod or report
would overload the API server.
"""

from enum import Enum

from stargate_types.status import Condition, Progress, StargateJobStatus

_CLOCKS = {"goodput": None, "energy": None, "accounted_time": None}


class Urgency(Enum):
    """How soon a new status must be written. The reconciler compares it with the last write."""

    NOTHING = "nothing"
    LATER = "later"
    """Progress: held in memory, written every few seconds."""
    SOON = "soon"
    """Counts: a status may be two seconds behind the pods."""
    NOW = "now"


def urgency(before: StargateJobStatus, after: StargateJobStatus) -> Urgency:
    old, new = _without_clocks(before), _without_clocks(after)
    if old == new:
        return Urgency.NOTHING
    if _without_progress(old) == _without_progress(new):
        return Urgency.LATER
    return Urgency.SOON if _without_counts(old) == _without_counts(new) else Urgency.NOW


def _without_progress(status: StargateJobStatus) -> StargateJobStatus:
    return status.model_copy(update={"progress": None})


def _without_counts(status: StargateJobStatus) -> StargateJobStatus:
    """Messages go with the counts: the scheduler and kubelets change them as often."""
    return status.model_copy(
        update={
            "workers": None,
            "progress": None,
            "conditions": [_wordless(each) for each in status.conditions],
        }
    )


def _wordless(condition: Condition) -> Condition:
    return condition.model_copy(update={"message": ""})


def _without_clocks(status: StargateJobStatus) -> StargateJobStatus:
    return status.model_copy(update={**_CLOCKS, "progress": _timeless(status.progress)})


def _timeless(progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return progress.model_copy(update={"estimated_remaining_seconds": None})
