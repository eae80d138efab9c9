"""Whether a status is worth a write, and how soon.

Clocks alone are no news: a job about which nothing changed is not written again. What changes a
job's life is written at once, before any effect; counts and progress wait their turn, because a
write per pod or per report would melt the API server.
"""

from enum import Enum

from stargate_types.status import Condition, Progress, StargateJobStatus

_CLOCKS = {"goodput": None, "energy": None, "accounted_time": None}


class Urgency(Enum):
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
    """What the scheduler or a kubelet says in a condition's message moves as counts do."""
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
