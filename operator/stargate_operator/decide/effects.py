"""The objects to create and delete, given a status that already says why.

Effects follow from the written status and from the objects that exist, and from nothing else. So a new
operator finishes what a dead one began.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stargate_operator.constants import (
    GIVEN_UP_GRACE_SECONDS,
    KEPT_FAILED_PODS,
    KILL_GRACE_SECONDS,
)
from stargate_operator.decide.observed import Observed
from stargate_operator.model.blueprint import Refusal
from stargate_operator.model.node_health import NodeHealth
from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase

_LINGERING = timedelta(seconds=10)
"""How long a pod may outlive its worker. The kubelet ends most pods within two seconds, and a pod that
it has ended keeps its log. Only one that a sidecar holds is deleted."""

_GRACE_SLACK = 2.0
"""Seconds: the clocks of the API server and of this process differ."""


@dataclass(frozen=True)
class PodDeletion:
    """A pod to delete. `grace` is its grace period in seconds; None leaves the pod's own."""

    pod: Pod
    grace: int | None


@dataclass(frozen=True)
class Effects:
    """The work that is left to do. The reconciler hands it to the pod control in each pass.

    `create` are ranks whose pods are missing, and `gang_objects` kinds of missing gang objects.
    `look_again_at` is when a pod that lingers now is to be deleted.
    """

    create: tuple[int, ...] = ()
    gang_objects: tuple[str, ...] = ()
    delete: tuple[PodDeletion, ...] = ()
    look_again_at: datetime | None = None


def effects(observed: Observed) -> Effects:
    """The effects of a pass. `observed.job.status` must be the written status, and `observed.gang`
    the gang of its attempt."""
    held = _held(observed)
    due = _end_of_lingering(held, observed.now)
    if _is_over(observed.phase):
        delete = _deletions(observed, held, _last_grace(observed))
        return Effects(delete=delete, look_again_at=due)
    return Effects(
        create=_ranks_to_create(observed),
        gang_objects=_gang_objects(observed),
        delete=(*_deletions(observed, held, KILL_GRACE_SECONDS), *_prune(observed)),
        look_again_at=due,
    )


def _is_over(phase: Phase | None) -> bool:
    """True if the job has no use for pods: it was not looked at yet, is suspended, or has ended."""
    return phase is None or phase.finished or phase is Phase.SUSPENDED


def _held(observed: Observed) -> tuple[Pod, ...]:
    """The pods that hold nodes and must go. A sidecar may hold that of a rank that has succeeded."""
    of_the_gang = observed.gang.live_pods if _is_over(observed.phase) else ()
    return (*of_the_gang, *observed.previous_pods.alive)


def _end_of_lingering(held: Iterable[Pod], now: datetime) -> datetime | None:
    times = (_lingers_until(pod) for pod in held if pod.lingers)
    return min((time for time in times if time > now), default=None)


def _lingers_until(pod: Pod) -> datetime:
    ended = pod.terminated.finished_at if pod.terminated else None
    return datetime.fromtimestamp(ended or 0.0, UTC) + _LINGERING


def _last_grace(observed: Observed) -> int | None:
    """Workers that are stopped on purpose may save; those of a broken gang have nothing to save."""
    cause = observed.attempt.cause if observed.attempt else None
    stopped = cause in (Cause.SUSPENDED, Cause.DEADLINE_EXCEEDED)
    return None if stopped else KILL_GRACE_SECONDS


def _ranks_to_create(observed: Observed) -> tuple[int, ...]:
    """A rank whose worker has run is not made again in its attempt: its pod may have gone since the
    decision, and the next pass ends the attempt. So it does when a rank has failed."""
    if not _may_create(observed) or observed.missed_pods or observed.gang.failed:
        return ()
    return tuple(rank for rank in observed.gang.missing_ranks if rank not in observed.gang.vanished)


def _gang_objects(observed: Observed) -> tuple[str, ...]:
    needed = observed.has_run or _may_create(observed)
    return observed.cluster.missing_gang_objects if needed else ()


def _may_create(observed: Observed) -> bool:
    """Invariant 2: no pod of an attempt is created while one of an earlier attempt is alive."""
    refused = observed.notes.trouble is not None and observed.now < observed.notes.trouble.retry_at
    leaving = observed.job.metadata.deletion_timestamp is not None
    blocked = refused or leaving or isinstance(observed.blueprint, Refusal)
    return observed.starting and not blocked and not observed.previous_pods.alive


def _prune(observed: Observed) -> tuple[PodDeletion, ...]:
    """Deletes finished pods, but keeps the culprit of the last attempt and a few more for their logs."""
    previous = observed.previous
    number, culprit = (previous.number, previous.rank) if previous else (0, None)
    kept = sorted(
        (pod for pod in observed.previous_pods.failed if pod.attempt == number),
        key=lambda pod: (pod.rank != culprit, pod.rank),
    )[:KEPT_FAILED_PODS]
    names = {pod.name for pod in kept}
    surplus = [pod for pod in observed.previous_pods.failed if pod.name not in names]
    return _deletions(observed, (*surplus, *observed.previous_pods.succeeded), KILL_GRACE_SECONDS)


def _deletions(
    observed: Observed, pods: Iterable[Pod], grace: int | None
) -> tuple[PodDeletion, ...]:
    if observed.deletes_wait:
        return ()
    pods = (pod for pod in pods if not (pod.lingers and observed.now < _lingers_until(pod)))
    return tuple(deletion_of(pods, grace, node_health=observed.node_health, now=observed.now))


def deletion_of(
    pods: Iterable[Pod], grace: int | None, *, node_health: NodeHealth, now: datetime
) -> Iterator[PodDeletion]:
    """A pod that is being deleted needs a second delete only if its node is lost, so that nobody obeys
    the first, or if the first left it a much longer grace: an eviction's may be an hour."""
    for pod in pods:
        if node_health.gives_up(pod, now):
            yield PodDeletion(pod, GIVEN_UP_GRACE_SECONDS)
        elif not pod.deleting or _has_longer_grace(pod, grace, now):
            yield PodDeletion(pod, grace)


def _has_longer_grace(pod: Pod, grace: int | None, now: datetime) -> bool:
    if grace is None or pod.deletion_at is None:
        return False
    return pod.deletion_at - now.timestamp() > grace + _GRACE_SLACK
