"""How the job's time was spent, and the energy that it drew.

The time between two statuses counts for the phase of the first one. When an attempt fails, its running
time since the last checkpoint moves from productive to lost.
"""

from datetime import datetime
from typing import Any

from stargate_operator.decide.plan import Ending
from stargate_types.accounting import Energy, Goodput
from stargate_types.status import (
    AttemptStatus,
    Cause,
    Checkpoint,
    Phase,
    StargateJobStatus,
)

_BUCKETS = {
    Phase.STARTING: "starting_seconds",
    Phase.RUNNING: "productive_seconds",
    Phase.RESTARTING: "restarting_seconds",
}
_NOTHING_LOST = frozenset({Cause.SUCCEEDED, Cause.DEADLINE_EXCEEDED})
_JOULES_PER_KWH = 3_600_000


def elapsed(status: StargateJobStatus, now: datetime) -> float:
    """Seconds since the last accounting."""
    since = status.accounted_time
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def goodput(
    status: StargateJobStatus, now: datetime, lost: float = 0.0, ending: Ending | None = None
) -> Goodput:
    """The goodput until now. `lost` seconds move from productive to lost, or back if negative."""
    found = _spent(status, now, ending)
    moved = max(min(lost, found.productive_seconds), -found.lost_seconds)
    return _rounded(
        found.model_copy(
            update={
                "productive_seconds": found.productive_seconds - moved,
                "lost_seconds": found.lost_seconds + moved,
            }
        )
    )


def _spent(status: StargateJobStatus, now: datetime, ending: Ending | None) -> Goodput:
    standing, passed = status.goodput or Goodput(), elapsed(status, now)
    bucket = _BUCKETS.get(status.phase) if status.phase else None
    if bucket is None:
        return standing
    idle = _idle(status, now, ending) if status.phase is Phase.RUNNING else 0.0
    spent: dict[str, Any] = {bucket: getattr(standing, bucket) + passed - idle}
    if idle:
        spent["restarting_seconds"] = standing.restarting_seconds + idle
    return standing.model_copy(update=spent)


def _idle(status: StargateJobStatus, now: datetime, ending: Ending | None) -> float:
    """Seconds from a failure until it was seen: nobody trained in this time."""
    if ending is None:
        return 0.0
    return min(elapsed(status, now), max(0.0, (now - ending.at).total_seconds()))


def _rounded(found: Goodput) -> Goodput:
    parts = {
        name: round(getattr(found, name), 3)
        for name in ("productive_seconds", "starting_seconds", "lost_seconds", "restarting_seconds")
    }
    total = sum(parts.values())
    ratio = round(parts["productive_seconds"] / total, 4) if total else 0.0
    return Goodput(**parts, ratio=min(1.0, ratio))


def lost_seconds(attempt: AttemptStatus, ending: Ending, checkpoints: list[Checkpoint]) -> float:
    """Running time of this attempt since its last complete checkpoint."""
    if attempt.running is None or ending.cause in _NOTHING_LOST:
        return 0.0
    times = [saved.time for saved in checkpoints if saved.attempt == attempt.number]
    since = max([attempt.running, *times])
    return round(max(0.0, (ending.at - since).total_seconds()), 3)


def energy(
    status: StargateJobStatus, now: datetime, *, watts_per_node: float, pue: float
) -> Energy | None:
    """An upper estimate, as if every scheduled rank drew the full power of its devices. No meter
    is read."""
    if not watts_per_node:
        return status.energy
    holding = status.phase in _BUCKETS and status.workers
    nodes = status.workers.scheduled if holding and status.workers else 0
    joules = elapsed(status, now) * nodes * watts_per_node * pue
    before = status.energy.kwh if status.energy else 0.0
    return Energy(kwh=round(before + joules / _JOULES_PER_KWH, 6), pue=pue)
