"""All that a decision may look at, gathered before it, as one immutable value.

Nothing in here reads a clock or does I/O: `now` is handed in with the rest.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from stargate_operator.model import checkpoints
from stargate_operator.model.blueprint import Blueprint, Refusal
from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.node_health import NodeHealth, UnreadyNode
from stargate_operator.model.reports import Reports
from stargate_types import StargateJob
from stargate_types.status import AttemptStatus, Checkpoints, Phase


@dataclass(frozen=True)
class Trouble:
    """What the API server said when it refused to create something for the gang."""

    reason: str
    message: str
    retry_at: datetime


@dataclass(frozen=True)
class Contention:
    """What the other gangs on the same hardware mean for this one, where the cluster has no native
    PodGroups.

    `older` is an older job whose gang is only partly scheduled, and `older_is_short` whether that is
    for want of nodes, not because the scheduler is at it; `whole` is a job whose gang has all its
    nodes; `alone` says that no other gang has pods; `released_at` is the last moment when any other
    gang gave nodes back.
    """

    older: str | None = None
    older_is_short: bool = True
    whole: str | None = None
    alone: bool = False
    released_at: datetime | None = None


@dataclass(frozen=True)
class Observed:
    job: StargateJob
    now: datetime
    blueprint: Blueprint | Refusal
    gang: Gang
    previous_pods: PreviousPods = field(default_factory=PreviousPods)
    reports: Reports = field(default_factory=Reports)
    trouble: Trouble | None = None
    contention: Contention = field(default_factory=Contention)
    node_health: NodeHealth = field(default_factory=NodeHealth)
    failed_since: datetime | None = None
    """When a failed rank of the current attempt was first seen."""
    heard_since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Since when the workers' silence would have been noticed."""
    report_interval: float = 0.0
    """Seconds that a rank may take from one report to the next."""
    pue: float = 1.0
    never_fits: str = ""
    """Why the gang can never have all its nodes as the cluster stands, whatever else runs there."""
    has_room: bool = False
    """Whether a gang that gave its nodes back would find nodes for all its ranks now."""
    native_gangs: bool = False
    """Whether the scheduler itself keeps all or nothing (PodGroups)."""
    missing_gang_objects: tuple[str, ...] = field(default=())
    """Kinds of the gang's objects (Service, PodGroup) that do not exist."""

    @property
    def phase(self) -> Phase | None:
        return self.job.status.phase

    @property
    def attempt(self) -> AttemptStatus | None:
        """The current attempt; None before the first."""
        attempts = self.job.status.attempts
        return attempts[-1] if attempts else None

    @property
    def previous(self) -> AttemptStatus | None:
        attempts = self.job.status.attempts
        return attempts[-2] if len(attempts) > 1 else None

    @property
    def starting(self) -> bool:
        """The current attempt was resolved, so its pods may exist; not all ranks have run yet."""
        return self.resolved and not self.has_run

    @property
    def resolved(self) -> bool:
        return self.attempt is not None and self.attempt.accelerator_class is not None

    @property
    def has_run(self) -> bool:
        """Every rank of the current attempt has been running at one moment."""
        return self.attempt is not None and self.attempt.running is not None

    @property
    def ever_ran(self) -> bool:
        """A gang of this job or an earlier one of it has been whole."""
        return any(each.running for each in self.job.status.attempts)

    @property
    def ended(self) -> bool:
        return self.attempt is not None and self.attempt.end is not None

    @cached_property
    def lost_nodes(self) -> dict[str, UnreadyNode]:
        """Nodes that hold live pods of the job and are given up, the longest lost first."""
        return self.node_health.lost(self.now)

    @cached_property
    def saved(self) -> Checkpoints | None:
        """The checkpoints on record, with those that the workers reported since."""
        return checkpoints.record(
            self.job.status.checkpoints,
            self.reports.checkpoints,
            retain=self.job.spec.checkpoint.retain,
        )

    @property
    def failures(self) -> int:
        """Counted failures before this moment; a newer complete checkpoint forgives them all."""
        status = self.job.status
        if checkpoints.advanced(status.checkpoints, self.saved):
            return 0
        return status.failures_since_checkpoint
