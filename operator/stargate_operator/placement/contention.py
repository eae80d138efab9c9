"""What gangs on the same hardware mean for each other where the scheduler knows no gangs.

While nodes are short, a gang that is partly scheduled yields to an older one that is so too, and to
one that is whole; a gang that gives nodes back lets those that wait try again. Gangs that were put into
compute blocks without a common node mean nothing for each other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stargate_operator.decide.observed import Contention, Observed
from stargate_operator.model.blueprint import Blueprint, Refusal
from stargate_types import StargateJob
from stargate_types.status import Phase

Age = tuple[float, str]

_HOLDING = frozenset({Phase.STARTING, Phase.RUNNING, Phase.RESTARTING})


@dataclass(frozen=True)
class _Standing:
    age: Age
    key: str
    hardware: str
    phase: Phase | None
    partly: bool
    short: bool
    whole: bool
    holding: int
    where: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes of the place that it was put into."""

    @property
    def holds(self) -> bool:
        """Nodes, or a claim to them: a gang that restarts takes its own again."""
        return self.holding > 0 or self.phase in _HOLDING

    @property
    def contest(self) -> tuple[bool, bool, bool]:
        """What the others go by."""
        return self.partly, self.short, self.whole


class GangContention:
    """All jobs' gangs at a glance. `note` returns the jobs that must look again.

    `jobs` are those known: one that no pass has been over yet may hold nodes too.
    """

    def __init__(self, jobs: Iterable[StargateJob] = ()) -> None:
        self._jobs = jobs
        self._standings: dict[str, _Standing] = {}
        self._released: dict[str, tuple[str, datetime]] = {}

    def seen_by(self, job: StargateJob) -> Contention:
        mine = self._standings.get(job.uid)
        where = mine.where if mine else {}
        others = [
            each
            for uid, each in self._standings.items()
            if uid != job.uid and each.hardware == _hardware(job)
            if not _apart(each.where, where)
        ]
        partly = [each for each in others if each.partly and each.age < _age(job)]
        older = min(partly, key=lambda each: (not each.short, each.age), default=None)
        return Contention(
            older=older.key if older else None,
            older_is_short=older.short if older else False,
            whole=next((each.key for each in others if each.whole), None),
            alone=not any(each.holds for each in others) and not self._unseen(job),
            released_at=self._released_to(job),
        )

    def note(self, observed: Observed) -> list[str]:
        """Called with what was observed after each pass."""
        job = observed.job
        before, after = self._standings.get(job.uid), _standing(observed)
        self._standings[job.uid] = after
        if before is None:  # nobody could wake it while the pass was on
            return [*self._others(job.uid, after), job.uid]
        if _gave_back(before, after):
            self._released[job.uid] = (after.hardware, observed.now)
        elif before.contest == after.contest:
            return []
        return self._others(job.uid, after)

    def gone(self, uid: str, now: datetime) -> list[str]:
        left = self._standings.pop(uid, None)
        if left is None:
            return []
        self._released.pop(uid, None)
        self._released[f"(deleted, {left.hardware})"] = (left.hardware, now)
        return self._others(uid, left)

    def _others(self, uid: str, changed: _Standing) -> list[str]:
        """Only who waits for such nodes has something to decide."""
        return [
            other
            for other, each in self._standings.items()
            if other != uid and each.hardware == changed.hardware
            if each.partly or each.phase is Phase.QUEUED
        ]

    def _released_to(self, job: StargateJob) -> datetime | None:
        moments = (
            moment
            for uid, (hardware, moment) in self._released.items()
            if uid != job.uid and hardware == _hardware(job)
        )
        return max(moments, default=None)

    def _unseen(self, job: StargateJob) -> bool:
        """Just after a start: what another job's status says is not confirmed by its pods yet."""
        return any(
            other.uid not in self._standings and other.status.phase in _HOLDING
            for other in self._jobs
            if other.uid != job.uid and _hardware(other) == _hardware(job)
        )


def _standing(observed: Observed) -> _Standing:
    gang = observed.gang
    return _Standing(
        age=_age(observed.job),
        key=observed.job.key,
        hardware=_hardware(observed.job),
        phase=observed.phase,
        partly=observed.starting and gang.partly_scheduled,
        short=gang.short_of_nodes,
        whole=observed.phase in _HOLDING and gang.all_scheduled and gang.alive > 0,
        holding=gang.alive + len(observed.previous_pods.alive),
        where=_where(observed.blueprint),
    )


def _where(blueprint: Blueprint | Refusal) -> Mapping[str, str]:
    if isinstance(blueprint, Refusal) or blueprint.place is None:
        return {}
    return blueprint.place.node_selector


def _apart(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """No node has both."""
    return any(key in other and other[key] != value for key, value in one.items())


def _gave_back(before: _Standing, after: _Standing) -> bool:
    """A gang that yields gives to the one it yields to, not to those that wait."""
    return before.holding > 0 and not after.holds and after.phase is not Phase.QUEUED


def _age(job: StargateJob) -> Age:
    created = job.metadata.creation_timestamp
    return (created.timestamp() if created else 0.0, job.uid)


def _hardware(job: StargateJob) -> str:
    return job.spec.accelerator_type
