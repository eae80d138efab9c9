"""All facts that a decision may use, gathered before it, as one immutable value.

This module reads no clock and does no I/O: `now` is one of the facts.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from stargate_operator.model import checkpoints
from stargate_operator.model.assessment import Assessment
from stargate_operator.model.blueprint import Blueprint, Refusal
from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.node_health import NodeHealth, UnreadyNode
from stargate_operator.model.reports import ProgressReport, Reports
from stargate_types import StargateJob
from stargate_types.position import START, Position
from stargate_types.status import AttemptStatus, Checkpoints, Phase


@dataclass(frozen=True)
class Trouble:
    """The answer of the API server when it refused to create or delete an object of the gang."""

    reason: str
    message: str
    retry_at: datetime


@dataclass(frozen=True)
class Contention:
    """The other gangs on the same hardware, as far as they matter for this one. They matter only in a
    cluster without native PodGroups.

    `older` is an older job whose gang is only partly scheduled. `older_is_short` says that it lacks
    nodes, and does not only wait for the scheduler. `whole` is a job whose gang has all its nodes.
    `alone` says that no other gang has pods. `released_at` is the last time when another gang gave
    nodes back.
    """

    older: str | None = None
    older_is_short: bool = True
    whole: str | None = None
    alone: bool = False
    released_at: datetime | None = None


@dataclass(frozen=True)
class Listening:
    """How well this operator hears the workers: what silence means depends on it.

    `since` is when the workers' silence would first have been noticed. `report_interval` is the time in
    seconds that a rank may take from one report to the next.
    """

    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    report_interval: float = 0.0


@dataclass(frozen=True)
class Notes:
    """Facts that no resource holds, from the reconciler's memory. A new leader starts without them.

    `trouble` is the last refusal to create an object for the gang, `delete_trouble` the last one to
    delete a pod. `failed_since` is when a failed rank of the current attempt was first seen.
    """

    trouble: Trouble | None = None
    delete_trouble: Trouble | None = None
    failed_since: datetime | None = None


@dataclass(frozen=True)
class ClusterFacts:
    """The cluster beside the gang's pods and nodes.

    `native_gangs` says that the scheduler itself keeps all or nothing, by PodGroups.
    `missing_gang_objects` are the kinds (Service, PodGroup) that the gang needs and that do not exist.
    `pue` is the power usage effectiveness of the place where the gang runs.
    """

    native_gangs: bool = False
    missing_gang_objects: tuple[str, ...] = ()
    pue: float = 1.0


@dataclass(frozen=True)
class Observed:
    """All facts about one job at one moment. `observe` makes it in each pass, and policies ask it."""

    job: StargateJob
    now: datetime
    placement: Assessment
    gang: Gang
    previous_pods: PreviousPods = field(default_factory=PreviousPods)
    node_health: NodeHealth = field(default_factory=NodeHealth)
    contention: Contention = field(default_factory=Contention)
    reports: Reports = field(default_factory=Reports)
    listening: Listening = field(default_factory=Listening)
    notes: Notes = field(default_factory=Notes)
    cluster: ClusterFacts = field(default_factory=ClusterFacts)

    @property
    def blueprint(self) -> Blueprint | Refusal:
        """The blueprint of the current attempt's pods, or why they cannot be made."""
        return self.placement.blueprint

    @property
    def phase(self) -> Phase | None:
        """The phase in the written status; None for a job that no pass has looked at."""
        return self.job.status.phase

    @property
    def attempt(self) -> AttemptStatus | None:
        """The current attempt; None before the first."""
        return self.job.current_attempt

    @property
    def previous(self) -> AttemptStatus | None:
        return self.job.previous_attempt

    @property
    def deletes_wait(self) -> bool:
        """A pod could not be deleted, and it is too early to try again."""
        trouble = self.notes.delete_trouble
        return trouble is not None and self.now < trouble.retry_at

    @property
    def starting(self) -> bool:
        """The current attempt was resolved, so its pods may exist; not all ranks have run yet."""
        return self.resolved and not self.has_run

    @property
    def missed_pods(self) -> bool:
        """The status counts more pods than this process has ever seen: some went while no operator
        looked, and may have run."""
        workers = self.job.status.workers
        return self.starting and workers is not None and workers.created > self.gang.seen

    @property
    def resolved(self) -> bool:
        return self.attempt is not None and self.attempt.accelerator_class is not None

    @property
    def has_run(self) -> bool:
        """Every rank of the current attempt has been running at one moment."""
        return self.attempt is not None and self.attempt.running is not None

    @property
    def ever_ran(self) -> bool:
        """Every rank of some attempt of this job has been running at one moment."""
        return any(attempt.running for attempt in self.job.status.attempts)

    @property
    def ended(self) -> bool:
        return self.attempt is not None and self.attempt.end is not None

    @property
    def told(self) -> ProgressReport | None:
        """What rank 0 of the current attempt has reported; None before its first report."""
        report, attempt = self.reports.progress, self.attempt
        if report is None or attempt is None or report.attempt != attempt.number:
            return None
        return report

    @property
    def position(self) -> Position:
        """How far the current attempt is known to have trained, at least as far as where it began.
        What a report leaves out stays as it was."""
        standing, began = self.job.status.progress, self.attempt and self.attempt.restored_position
        known = standing.position if standing else began or START
        if self.told is None:
            return known
        epoch, step = self.told.epoch, self.told.step
        return Position(
            known.epoch if epoch is None else epoch, known.step if step is None else step
        )

    @cached_property
    def lost_nodes(self) -> dict[str, UnreadyNode]:
        """Nodes that hold live pods of the job and are given up. The one lost for longest comes
        first."""
        return self.node_health.lost(self.now)

    @cached_property
    def saved(self) -> Checkpoints | None:
        """The checkpoints in the status, and those that the workers have reported since."""
        return checkpoints.record(
            self.job.status.checkpoints,
            self.reports.checkpoints,
            retain=self.job.spec.checkpoint.retain,
        )

    @property
    def failures(self) -> int:
        """Counted failures until now. A newer complete checkpoint sets them to zero."""
        status = self.job.status
        if checkpoints.advanced(status.checkpoints, self.saved):
            return 0
        return status.failures_since_checkpoint
