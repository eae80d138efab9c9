"""The gang of a job as observed: which pods are the current attempt's, and what earlier ones left.

Built in one pass over a job's pods, because it is built for every decision and a gang may have
thousands of them; policies ask its properties and loop over nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from stargate_operator.pod import FAILED, RUNNING, SUCCEEDED, Pod

_PATIENT = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Waiting that every container goes through; any other reason means that it cannot start."""


@dataclass(frozen=True)
class Gang:
    """The pods of one attempt. `size` is the attempt's world size."""

    attempt: int
    size: int
    ranks: Mapping[int, Pod] = field(default_factory=dict)
    creating: frozenset[int] = frozenset()
    scheduled: int = 0
    running: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: tuple[Pod, ...] = ()
    alive: int = 0
    last_scheduled_at: float = 0.0
    unschedulable: Pod | None = None
    waiting: Pod | None = None

    @property
    def created(self) -> int:
        return len(self.ranks)

    @cached_property
    def absent_ranks(self) -> tuple[int, ...]:
        """Ranks without a pod, whether or not one is just being created."""
        if self.created == self.size:
            return ()
        return tuple(rank for rank in range(self.size) if rank not in self.ranks)

    @cached_property
    def missing_ranks(self) -> tuple[int, ...]:
        """Ranks that nobody is creating yet."""
        return tuple(rank for rank in self.absent_ranks if rank not in self.creating)

    @property
    def all_scheduled(self) -> bool:
        return self.scheduled == self.size

    @property
    def partly_scheduled(self) -> bool:
        return 0 < self.scheduled < self.size

    @property
    def short_of_nodes(self) -> bool:
        """The scheduler itself has said that a rank fits nowhere."""
        return self.unschedulable is not None

    @property
    def all_running(self) -> bool:
        """Every rank runs, or has succeeded already."""
        return self.running + self.succeeded == self.size

    @property
    def all_succeeded(self) -> bool:
        return self.succeeded == self.size

    @property
    def live_pods(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.ranks.values() if pod.alive)


@dataclass(frozen=True)
class Remains:
    """Pods of earlier attempts: `alive` still hold nodes, the rest only hold logs."""

    alive: tuple[Pod, ...] = ()
    failed: tuple[Pod, ...] = ()
    succeeded: tuple[Pod, ...] = ()


@dataclass
class _Tally:
    scheduled: int = 0
    running: int = 0
    ready: int = 0
    succeeded: int = 0
    alive: int = 0
    last_scheduled_at: float = 0.0
    unschedulable: Pod | None = None
    waiting: Pod | None = None
    failed: list[Pod] = field(default_factory=list)

    def add(self, pod: Pod) -> None:
        if pod.node:
            self.scheduled += 1
            self.last_scheduled_at = max(self.last_scheduled_at, pod.scheduled_at or 0.0)
        elif pod.unschedulable_message:
            self.unschedulable = self.unschedulable or pod
        self.ready += pod.ready
        self._add_phase(pod)

    def _add_phase(self, pod: Pod) -> None:
        if pod.phase == RUNNING:
            self.running += 1
            self.alive += 1
        elif pod.phase == SUCCEEDED:
            self.succeeded += 1
        elif pod.phase == FAILED:
            self.failed.append(pod)
        else:
            self.alive += 1
        if pod.alive and pod.waiting_reason not in _PATIENT:
            self.waiting = self.waiting or pod


def muster(
    pods: Iterable[Pod], *, attempt: int, size: int, creating: frozenset[int] = frozenset()
) -> tuple[Gang, Remains]:
    """Sort a job's pods into the gang of `attempt` and what remains of earlier attempts.

    Labels are anybody's to write: what claims a rank that is none, or one that is taken, is no
    part of the gang.
    """
    ranks: dict[int, Pod] = {}
    tally, earlier = _Tally(), list[Pod]()
    for pod in pods:
        if pod.attempt != attempt or not 0 <= pod.rank < size or pod.rank in ranks:
            earlier.append(pod)
        else:
            ranks[pod.rank] = pod
            tally.add(pod)
    gang = Gang(
        attempt=attempt,
        size=size,
        ranks=ranks,
        creating=creating,
        scheduled=tally.scheduled,
        running=tally.running,
        ready=tally.ready,
        succeeded=tally.succeeded,
        failed=tuple(tally.failed),
        alive=tally.alive,
        last_scheduled_at=tally.last_scheduled_at,
        unschedulable=tally.unschedulable,
        waiting=tally.waiting,
    )
    return gang, _remains(earlier)


def _remains(pods: list[Pod]) -> Remains:
    return Remains(
        alive=tuple(pod for pod in pods if pod.alive),
        failed=tuple(pod for pod in pods if pod.phase == FAILED),
        succeeded=tuple(pod for pod in pods if pod.phase == SUCCEEDED),
    )
