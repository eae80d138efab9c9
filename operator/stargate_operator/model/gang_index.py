"""The index of a job's pods by attempt, kept up to date by each change of a pod.

A pass asks for the gang at every decision. Counting thousands of pods each time would cost more than
everything else together, so each change updates the counts in constant time.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.pod import FAILED, ORDINARY_WAITING, RUNNING, SUCCEEDED, Pod


@dataclass
class AttemptPods:
    """The pods of one attempt, counted as they come, change and go.

    A rank's success is remembered when its pod is gone, and so is a rank that had run when its pod went.
    """

    ranks: dict[int, Pod] = field(default_factory=dict)
    scheduled: int = 0
    running: int = 0
    ready: int = 0
    alive: int = 0
    leaving: int = 0
    last_scheduled_at: float = 0.0
    last_started_at: float = 0.0
    failed: dict[str, Pod] = field(default_factory=dict)
    succeeded: dict[str, Pod] = field(default_factory=dict)
    succeeded_ranks: set[int] = field(default_factory=set)
    vanished: dict[int, Pod] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    """UIDs of pods whose worker has run: the kubelet's last word on an evicted pod need not say so."""
    seen: set[int] = field(default_factory=set)
    unschedulable: dict[str, Pod] = field(default_factory=dict)
    waiting: dict[str, Pod] = field(default_factory=dict)

    @property
    def up(self) -> int:
        """Running, or done."""
        return self.running + len(self.succeeded_ranks)

    def enter(self, pod: Pod) -> None:
        if pod.phase == SUCCEEDED:
            self.succeeded_ranks.add(pod.rank)
        elif pod.rank in self.succeeded_ranks:  # its end counts, not what is done to its pod later
            pod_phase = pod.pod_phase or pod.phase
            pod = msgspec.structs.replace(pod, phase=SUCCEEDED, pod_phase=pod_phase)
        self.ranks[pod.rank] = pod
        self.seen.add(pod.rank)
        if pod.has_run:
            self.ran.add(pod.uid)
        self._count(pod, 1)
        self.last_scheduled_at = max(self.last_scheduled_at, pod.scheduled_at or 0.0)
        self.last_started_at = max(self.last_started_at, pod.started_at or 0.0)
        for group in self._groups_of(pod):
            group[pod.name] = pod

    def leave(self, pod: Pod) -> None:
        pod = self.ranks.pop(pod.rank, pod)  # as it entered
        self._count(pod, -1)
        for group in self._groups_of(pod):
            group.pop(pod.name, None)

    def vanish(self, pod: Pod) -> None:
        """Its object was deleted."""
        if pod.uid in self.ran and pod.rank not in self.succeeded_ranks:
            self.vanished[pod.rank] = pod

    def remember(self, other: "AttemptPods") -> None:
        """Takes over what is known of ranks whose pods are gone."""
        self.succeeded_ranks |= other.succeeded_ranks
        self.vanished |= other.vanished
        self.ran |= other.ran
        self.seen |= other.seen

    def _count(self, pod: Pod, sign: int) -> None:
        self.alive += sign * pod.alive
        self.leaving += sign * (pod.alive and pod.deleting)
        self.ready += sign * pod.ready
        self.running += sign * (pod.phase == RUNNING)
        self.scheduled += sign * bool(pod.node)

    def _groups_of(self, pod: Pod) -> Iterator[dict[str, Pod]]:
        """The pods that a policy asks about one by one: few at any time."""
        if pod.phase == FAILED:
            yield self.failed
        elif pod.phase == SUCCEEDED:
            yield self.succeeded
        else:
            if pod.unschedulable_message and not pod.node:
                yield self.unschedulable
            if pod.waiting_reason not in ORDINARY_WAITING:
                yield self.waiting


class GangIndex:
    """The pods of one job by attempt, kept up to date in O(1) for each change.

    Anybody can write labels and owner references, in any namespace. So a pod in another namespace, or
    one that the job does not own, is not part of the gang. A pod whose name does not agree with its
    labels counts as a pod of a previous attempt.
    """

    def __init__(self, pods: Iterable[Pod] = (), world_size: int = 0) -> None:
        self._world_size = world_size
        self._attempts: dict[tuple[str, int], AttemptPods] = {}
        self._misfits: dict[str, Pod] = {}
        for pod in pods:
            self.take(None, pod)

    def take(self, old: Pod | None, new: Pod | None) -> bool:
        """Takes one change of a pod. True if it cannot wait for a routine pass: a rank failed, all
        ranks have come up, or the last live pod of an attempt has gone."""
        pod = new or old
        assert pod is not None
        if old is not None:
            self._misfits.pop(old.uid, None)
        if not self._fits(pod):
            self._take_misfit(old, new)
            return False
        pods_of_attempt = self._attempts.setdefault((pod.namespace, pod.attempt), AttemptPods())
        alive, up = pods_of_attempt.alive, pods_of_attempt.up
        if old is not None and self._fits(old):
            pods_of_attempt.leave(old)
        if new is not None:
            pods_of_attempt.enter(new)
        elif old is not None and self._fits(old):
            pods_of_attempt.vanish(old)
        emptied = pods_of_attempt.alive == 0 and alive > 0
        filled = pods_of_attempt.up == self._world_size and up != self._world_size
        return emptied or filled or _has_failed(old, new)

    def gang(
        self,
        *,
        namespace: str,
        attempt: int,
        world_size: int,
        creating: frozenset[int] = frozenset(),
        succeeded: Collection[int] = (),
    ) -> tuple[Gang, PreviousPods]:
        """The gang of `attempt` as it is now, and the pods of other attempts, in the job's namespace.

        `succeeded` are ranks of which the job's status says so: their pods may be gone.
        """
        if world_size != self._world_size:
            self._size_up(world_size)
        if succeeded:
            known = self._attempts.setdefault((namespace, attempt), AttemptPods())
            known.succeeded_ranks.update(succeeded)
            known.seen.update(succeeded)  # another leader has seen them
        pods_of_attempt = self._attempts.get((namespace, attempt)) or AttemptPods()
        gang = Gang(
            attempt=attempt,
            world_size=world_size,
            ranks=MappingProxyType(pods_of_attempt.ranks),
            creating=creating,
            scheduled=pods_of_attempt.scheduled,
            running=pods_of_attempt.running,
            ready=pods_of_attempt.ready,
            succeeded_ranks=frozenset(pods_of_attempt.succeeded_ranks),
            vanished=MappingProxyType(pods_of_attempt.vanished),
            seen=len(pods_of_attempt.seen),
            failed=tuple(pods_of_attempt.failed.values()),
            alive=pods_of_attempt.alive,
            last_scheduled_at=pods_of_attempt.last_scheduled_at,
            last_started_at=pods_of_attempt.last_started_at,
            unschedulable=next(iter(pods_of_attempt.unschedulable.values()), None),
            waiting=next(iter(pods_of_attempt.waiting.values()), None),
            leaving=pods_of_attempt.leaving,
        )
        return gang, self._previous_pods(namespace, attempt)

    def _size_up(self, world_size: int) -> None:
        """Counts all pods again for another size: the size was not known before, or it has changed."""
        everyone = [pod for pods in self._attempts.values() for pod in pods.ranks.values()]
        recounted = GangIndex([*everyone, *self._misfits.values()], world_size)
        for place, known in self._attempts.items():
            recounted._attempts.setdefault(place, AttemptPods()).remember(known)
        self._world_size, self._attempts, self._misfits = (
            world_size,
            recounted._attempts,
            recounted._misfits,
        )

    def _fits(self, pod: Pod) -> bool:
        named = pod.name == f"{pod.job_name}-{pod.attempt}-{pod.rank}"
        ranked = 0 <= pod.rank < (self._world_size or pod.rank + 1)
        return named and ranked and pod.owner_uid == pod.job_uid

    def _take_misfit(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.owner_uid == new.job_uid:
            self._misfits[new.uid] = new
        if old is not None and self._fits(old):
            self._attempts[old.namespace, old.attempt].leave(old)

    def _previous_pods(self, namespace: str, attempt: int) -> PreviousPods:
        others = [
            pods
            for (place, number), pods in self._attempts.items()
            if place == namespace and number != attempt
        ]
        misfits = [pod for pod in self._misfits.values() if pod.namespace == namespace]
        return PreviousPods(
            alive=tuple(
                pod for pods in others if pods.alive for pod in pods.ranks.values() if pod.alive
            )
            + tuple(pod for pod in misfits if pod.alive),
            failed=tuple(pod for pods in others for pod in pods.failed.values()),
            succeeded=tuple(pod for pods in others for pod in pods.succeeded.values()),
        )


def observe_gang(
    pods: Iterable[Pod],
    *,
    namespace: str,
    attempt: int,
    world_size: int,
    creating: frozenset[int] = frozenset(),
) -> tuple[Gang, PreviousPods]:
    """The gang among these pods, and the pods of other attempts."""
    gang_index = GangIndex(pods, world_size)
    return gang_index.gang(
        namespace=namespace, attempt=attempt, world_size=world_size, creating=creating
    )


def _has_failed(old: Pod | None, new: Pod | None) -> bool:
    """False for the echoes of our own deletes: the gang is being torn down already."""
    if new is None or new.phase != FAILED or (new.deleting and not new.disruption):
        return False
    return old is None or old.phase != FAILED
