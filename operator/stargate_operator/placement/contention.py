"""Compares gangs that want the same hardware, where the scheduler does not know gangs.

While nodes are short, a partly scheduled gang yields to an older gang that is partly scheduled too, and
to a gang that is whole. A gang that gives nodes back lets the waiting gangs try again. Gangs in compute
blocks without a common node do not contend.
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
class _GangState:
    """The facts about one gang that other gangs decide by."""

    age: Age
    key: str
    hardware: str
    phase: Phase | None
    partly: bool
    short: bool
    whole: bool
    holding: int
    where: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes of the place where the gang was put."""

    @property
    def holds(self) -> bool:
        """True if it has nodes or a claim to them: a gang that restarts takes its own nodes again."""
        return self.holding > 0 or self.phase in _HOLDING

    @property
    def waits(self) -> bool:
        """True if what other gangs do may change its decision."""
        return self.partly or self.phase is Phase.QUEUED

    @property
    def contest(self) -> tuple[bool, bool, bool]:
        """The facts whose change may change another gang's decision."""
        return self.partly, self.short, self.whole


class GangContention:
    """Knows the state of all jobs' gangs. `note` returns the jobs that must decide again.

    `jobs` are all known jobs: a job that had no pass yet may hold nodes too.
    """

    def __init__(self, jobs: Iterable[StargateJob] = ()) -> None:
        self._jobs = jobs
        self._gangs: dict[str, _GangState] = {}
        self._released: dict[str, tuple[str, datetime]] = {}

    def seen_by(self, job: StargateJob) -> Contention:
        mine = self._gangs.get(job.uid)
        where = mine.where if mine else {}
        others = [
            other
            for uid, other in self._gangs.items()
            if uid != job.uid and other.hardware == _hardware(job)
            if not _apart(other.where, where)
        ]
        partly = [other for other in others if other.partly and other.age < _age(job)]
        older = min(partly, key=lambda gang: (not gang.short, gang.age), default=None)
        return Contention(
            older=older.key if older else None,
            older_is_short=older.short if older else False,
            whole=next((other.key for other in others if other.whole), None),
            alone=not any(other.holds for other in others) and not self._unseen(job),
            released_at=self._released_to(job),
        )

    def note(self, observed: Observed, decided_by: Contention | None = None) -> list[str]:
        """Takes what a pass observed; called after each pass. `decided_by` is what the pass knew of the
        other gangs when it decided; the same as now, if it is not given."""
        job = observed.job
        before, after = self._gangs.get(job.uid), _state_of(observed)
        self._gangs[job.uid] = after
        # While this pass wrote its status, no other gang could know that this one waits, and wake it.
        missed = decided_by is not None and after.waits and self.seen_by(job) != decided_by
        itself = [job.uid] if before is None or missed else []
        if before is not None and _gave_back(before, after):
            self._released[job.uid] = (after.hardware, observed.now)
        elif before is not None and before.contest == after.contest:
            return itself
        return [*self._others(job.uid, after), *itself]

    def gone(self, uid: str, now: datetime) -> list[str]:
        left = self._gangs.pop(uid, None)
        if left is None:
            return []
        self._released.pop(uid, None)
        self._released[f"(deleted, {left.hardware})"] = (left.hardware, now)
        return self._others(uid, left)

    def _others(self, uid: str, changed: _GangState) -> list[str]:
        """The jobs that wait for the same hardware: only they have something to decide."""
        return [
            other
            for other, gang in self._gangs.items()
            if other != uid and gang.hardware == changed.hardware
            if gang.waits
        ]

    def _released_to(self, job: StargateJob) -> datetime | None:
        moments = (
            moment
            for uid, (hardware, moment) in self._released.items()
            if uid != job.uid and hardware == _hardware(job)
        )
        return max(moments, default=None)

    def _unseen(self, job: StargateJob) -> bool:
        """True just after a start: another job's status says that it has nodes,
        and no pass has checked it."""
        return any(
            other.uid not in self._gangs and other.status.phase in _HOLDING
            for other in self._jobs
            if other.uid != job.uid and _hardware(other) == _hardware(job)
        )


def _state_of(observed: Observed) -> _GangState:
    gang = observed.gang
    return _GangState(
        age=_age(observed.job),
        key=observed.job.key,
        hardware=_hardware(observed.job),
        phase=observed.phase,
        partly=observed.starting and not observed.ended and gang.partly_scheduled,
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
    """True if no node can have the labels of both."""
    return any(key in other and other[key] != value for key, value in one.items())


def _gave_back(before: _GangState, after: _GangState) -> bool:
    """True if it gave nodes back to all. A gang that yields gives them to one other gang instead."""
    return before.holding > 0 and not after.holds and after.phase is not Phase.QUEUED


def _age(job: StargateJob) -> Age:
    created = job.metadata.creation_timestamp
    return (created.timestamp() if created else 0.0, job.uid)


def _hardware(job: StargateJob) -> str:
    return job.spec.accelerator_type
