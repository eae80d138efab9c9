"""What gangs mean for each other where the scheduler knows no gangs.

An older gang that is partly scheduled, while nodes are short, makes a younger one yield; a gang that
gives nodes back lets those that wait try again.
"""

from dataclasses import dataclass
from datetime import datetime

from stargate_operator.decide.observed import Contention, Observed
from stargate_types import StargateJob
from stargate_types.status import Phase

Age = tuple[float, str]


@dataclass(frozen=True)
class _Standing:
    age: Age
    key: str
    phase: Phase | None
    partly: bool
    short: bool
    holding: int


class Rivals:
    """All jobs' gangs at a glance. `note` returns the jobs that must look again."""

    def __init__(self) -> None:
        self._standings: dict[str, _Standing] = {}
        self._released: dict[str, datetime] = {}

    def seen_by(self, job: StargateJob) -> Contention:
        partly = [
            each
            for uid, each in self._standings.items()
            if uid != job.uid and each.partly and each.age < _age(job)
        ]
        older = min(partly, key=lambda each: (not each.short, each.age), default=None)
        released = [moment for uid, moment in self._released.items() if uid != job.uid]
        return Contention(
            older=older.key if older else None,
            older_is_short=older.short if older else False,
            released_at=max(released, default=None),
        )

    def note(self, observed: Observed) -> list[str]:
        """Called with what was observed after each pass."""
        job = observed.job
        before, after = self._standings.get(job.uid), _standing(observed)
        self._standings[job.uid] = after
        if before is not None and _gave_back(before, after):
            self._released[job.uid] = observed.now
        elif before is not None and (before.partly, before.short) == (after.partly, after.short):
            return []
        return self._others(job.uid)

    def gone(self, uid: str, now: datetime) -> list[str]:
        if self._standings.pop(uid, None) is None:
            return []
        self._released.pop(uid, None)
        self._released["(deleted)"] = now
        return self._others(uid)

    def _others(self, uid: str) -> list[str]:
        """Only who waits for nodes has something to decide."""
        return [
            other
            for other, each in self._standings.items()
            if other != uid and (each.partly or each.phase is Phase.QUEUED)
        ]


def _standing(observed: Observed) -> _Standing:
    gang = observed.gang
    return _Standing(
        age=_age(observed.job),
        key=observed.job.key,
        phase=observed.phase,
        partly=observed.starting and gang.partly_scheduled,
        short=gang.short_of_nodes,
        holding=gang.alive + len(observed.remains.alive),
    )


def _gave_back(before: _Standing, after: _Standing) -> bool:
    """A gang that yields gives to the one it yields to, not to those that wait."""
    return before.holding > 0 and after.holding == 0 and after.phase is not Phase.QUEUED


def _age(job: StargateJob) -> Age:
    created = job.metadata.creation_timestamp
    return (created.timestamp() if created else 0.0, job.uid)
