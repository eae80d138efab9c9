"""A failed or vanished rank ends the attempt: the whole gang starts again from its last checkpoint.

Out-of-memory kills, evictions and lost nodes end it at once. Any other exit may follow from an earlier
one that is not reported yet, so the policy waits a moment before it names a culprit.
"""

from collections.abc import Collection
from datetime import timedelta

from stargate_operator.constants import Reasons
from stargate_operator.decide.causes import cause_of
from stargate_operator.decide.culprit import explains_itself, first_failure
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase

SETTLING = timedelta(seconds=1)


def failure(observed: Observed) -> Plan | None:
    failed = _failed(observed)
    ending = first_failure(failed, observed.now) or _vanished(observed)
    if ending is None or observed.attempt is None:
        return None
    return _settling(observed, failed) or end_attempt(observed, ending)


def end_attempt(observed: Observed, ending: Ending) -> Plan:
    """Ends the attempt. Another one follows, unless `maxRestarts` is used up: then the job fails."""
    allowed = observed.job.spec.restart_policy.max_restarts
    failures = observed.failures + ending.counted
    if ending.counted and failures > allowed:
        return Plan(
            Phase.FAILED,
            reason=Reasons.MAX_RESTARTS_EXCEEDED,
            message=f"{failures} failures since the last checkpoint, spec.restartPolicy.maxRestarts"
            f" allows {allowed}; {ending.cause}: {ending.message}",
            ending=ending,
        )
    return Plan(
        Phase.RESTARTING,
        reason=ending.cause,
        message=ending.message,
        ending=ending,
        next_attempt=True,
    )


def _failed(observed: Observed) -> tuple[Pod, ...]:
    """The failed pods that count. A pod that is deleted before its worker began is only made again."""
    failed = observed.gang.failed
    if observed.has_run or not failed:
        return failed
    return tuple(pod for pod in failed if pod.has_run or cause_of(pod) is not Cause.DELETED)


def _settling(observed: Observed, failed: tuple[Pod, ...]) -> Plan | None:
    if not failed or any(explains_itself(cause_of(pod)) for pod in failed):
        return None
    if observed.missed_pods:
        return None  # the counts in a status that says "wait" would hide that pods are missing
    until = (observed.notes.failed_since or observed.now) + SETTLING
    if observed.now >= until:
        return None
    return Plan(
        Phase.RESTARTING if observed.has_run else Phase.STARTING,
        reason=Reasons.GANG_FAILED,
        message="a rank has failed; waiting a moment to learn which rank failed first",
        wake_at=until,
    )


def _vanished(observed: Observed) -> Ending | None:
    """A rank without a pod whose worker has run. It is not made again in the same attempt, because the
    worker may still run on a node that is cut off."""
    rank = min(_gone(observed), default=None)
    if rank is None:
        return None
    last = observed.gang.vanished.get(rank)
    if last is not None and last.disruption:
        return first_failure([last], observed.now)
    return Ending(
        Cause.DELETED,
        at=observed.now,
        message=f"the pod of rank {rank} was deleted by someone else",
        rank=rank,
    )


def _gone(observed: Observed) -> Collection[int]:
    gang = observed.gang
    if observed.has_run or observed.missed_pods:
        return gang.absent_ranks
    return [rank for rank in gang.absent_ranks if rank in gang.vanished]
