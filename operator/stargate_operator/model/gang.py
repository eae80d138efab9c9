"""The gang of a job as observed: the pods of the current attempt, and what earlier attempts left.

These are values. `gang_index.py` keeps the counts that they show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from stargate_operator.model.pod import Pod


@dataclass(frozen=True)
class Gang:
    """The pods of one attempt. Those `leaving` are being deleted, and their grace runs.

    `succeeded_ranks` have succeeded, whatever has become of their pods since. `vanished` are the last
    pods of ranks whose worker had run when the pod was deleted. `seen` is the number of ranks of which
    this process has ever seen a pod.
    """

    attempt: int
    world_size: int
    ranks: Mapping[int, Pod] = field(default_factory=dict)
    creating: frozenset[int] = frozenset()
    scheduled: int = 0
    running: int = 0
    ready: int = 0
    succeeded_ranks: frozenset[int] = frozenset()
    vanished: Mapping[int, Pod] = field(default_factory=dict)
    seen: int = 0
    failed: tuple[Pod, ...] = ()
    alive: int = 0
    last_scheduled_at: float = 0.0
    last_started_at: float = 0.0
    unschedulable: Pod | None = None
    waiting: Pod | None = None
    leaving: int = 0

    @property
    def created(self) -> int:
        return len(self.ranks)

    @cached_property
    def absent_ranks(self) -> tuple[int, ...]:
        """Ranks that need a pod and have none, whether or not one is just being created."""
        if self.created == self.world_size:
            return ()
        settled = self.succeeded_ranks
        return tuple(
            rank
            for rank in range(self.world_size)
            if rank not in self.ranks and rank not in settled
        )

    @cached_property
    def missing_ranks(self) -> tuple[int, ...]:
        """Ranks that nobody is creating yet."""
        return tuple(rank for rank in self.absent_ranks if rank not in self.creating)

    @property
    def succeeded(self) -> int:
        return len(self.succeeded_ranks)

    @cached_property
    def _placed(self) -> int:
        """Ranks that have a node, or need none any more."""
        return self.scheduled + sum(rank not in self.ranks for rank in self.succeeded_ranks)

    @property
    def all_scheduled(self) -> bool:
        return self._placed == self.world_size

    @property
    def partly_scheduled(self) -> bool:
        return 0 < self._placed < self.world_size

    @property
    def short_of_nodes(self) -> bool:
        """The scheduler itself has said that a rank fits nowhere."""
        return self.unschedulable is not None

    @property
    def all_running(self) -> bool:
        """Every rank runs, or has succeeded already."""
        return self.running + self.succeeded == self.world_size

    @property
    def all_succeeded(self) -> bool:
        return self.succeeded == self.world_size

    @property
    def live_pods(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.ranks.values() if pod.alive)


@dataclass(frozen=True)
class PreviousPods:
    """Pods of earlier attempts: `alive` still hold nodes, the rest only hold logs."""

    alive: tuple[Pod, ...] = ()
    failed: tuple[Pod, ...] = ()
    succeeded: tuple[Pod, ...] = ()
