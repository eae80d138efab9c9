"""Brings the gang up: accepts the job, waits for the old gang and for room, creates the pods, runs."""

from datetime import datetime, timedelta

from stargate_operator.constants import Reasons
from stargate_operator.decide.all_or_nothing import start_timeout_at
from stargate_operator.decide.back_off import pause_after_failure
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.old_gang import overdue_at, waiting_for_pods
from stargate_operator.decide.plan import Plan
from stargate_operator.decide.slow_start import slow_rank_at, slow_start_at
from stargate_operator.model.blueprint import Refusal
from stargate_types.status import Cause, Phase

_LOOK_AGAIN = timedelta(seconds=10)
"""How often a gang looks for room: no event wakes it when others take or give back nodes."""
_OLD_PODS = "waiting until the pods of an earlier attempt are gone"
_TRUST_SCHEDULER = timedelta(seconds=30)
"""A gang that gave its nodes back waits so long before it trusts the count of free nodes: the scheduler
may know better."""


def startup(observed: Observed) -> Plan:
    if observed.attempt is None:
        return _refused(observed) or _accept()
    if not observed.resolved:
        return _old_gang(observed) or _refused(observed) or _not_yet(observed) or _begin()
    if observed.has_run or observed.gang.all_running:
        return _run(observed)
    return _start(observed)


def _refused(observed: Observed) -> Plan | None:
    refusal = observed.blueprint
    if not isinstance(refusal, Refusal):
        return None
    due = observed.now + _LOOK_AGAIN if refusal.reason == Reasons.NO_BLOCK_FITS else None
    phase = Phase.QUEUED if refusal.waits else Phase.PENDING
    return Plan(phase, reason=refusal.reason, message=refusal.message, wake_at=due)


def _accept() -> Plan:
    return Plan(Phase.STARTING, reason=Reasons.CREATING, next_attempt=True, resolve=True)


def _begin() -> Plan:
    return Plan(Phase.STARTING, reason=Reasons.CREATING, resolve=True)


def _old_gang(observed: Observed) -> Plan | None:
    pods = observed.previous_pods.alive
    if not pods:
        return None
    refused = observed.notes.delete_trouble
    if refused is not None:
        return Plan(
            _waiting_phase(observed), reason=Reasons.DELETES_REFUSED, message=refused.message
        )
    return Plan(
        _waiting_phase(observed),
        reason=Reasons.WAITING_FOR_OLD_GANG,
        message=waiting_for_pods(observed, pods, _OLD_PODS),
        wake_at=overdue_at(observed, pods),
    )


def _not_yet(observed: Observed) -> Plan | None:
    if _queued(observed) and observed.contention.older:
        return Plan(
            Phase.QUEUED,
            reason=Reasons.QUEUED,
            message=f"waiting for the older job {observed.contention.older} to get its nodes",
        )
    due = _not_before(observed)
    if due is None or observed.now >= due:
        return None
    queued = _queued(observed)
    return Plan(
        _waiting_phase(observed),
        reason=Reasons.QUEUED if queued else Reasons.BACKING_OFF,
        message=f"the gang tries again at {due:%Y-%m-%dT%H:%M:%SZ}"
        + (", or as soon as enough nodes are free" if queued else ""),
        wake_at=min(due, observed.now + _LOOK_AGAIN) if queued else due,
    )


def _queued(observed: Observed) -> bool:
    """The previous attempt gave its nodes back because it did not get all of them."""
    previous = observed.previous
    return previous is not None and previous.cause in (Cause.YIELDED, Cause.START_TIMEOUT)


def _waiting_phase(observed: Observed) -> Phase:
    return Phase.QUEUED if _queued(observed) else Phase.RESTARTING


def _not_before(observed: Observed) -> datetime | None:
    previous = observed.previous
    if previous is None or previous.end is None:
        return None
    if not _queued(observed):
        return previous.end + pause_after_failure(observed)
    others = observed.contention
    released = others.released_at is not None and others.released_at > previous.end
    if released or (others.alone and previous.cause is Cause.YIELDED):
        return None
    if observed.placement.has_room and observed.now >= previous.end + _TRUST_SCHEDULER:
        return None
    return previous.end + timedelta(seconds=observed.job.spec.scheduling.start_timeout_seconds)


def _run(observed: Observed) -> Plan:
    return Plan(
        Phase.RUNNING,
        reason=Reasons.RUNNING,
        message=f"all {observed.gang.world_size} ranks run",
    )


def _start(observed: Observed) -> Plan:
    gang, trouble = observed.gang, observed.notes.trouble
    if trouble is not None:
        return Plan(
            Phase.STARTING,
            reason=trouble.reason,
            message=trouble.message,
            wake_at=_next_of(observed, trouble.retry_at, start_timeout_at(observed)),
        )
    refusal = observed.blueprint
    if gang.missing_ranks and isinstance(refusal, Refusal):
        due = start_timeout_at(observed)
        return Plan(Phase.STARTING, reason=refusal.reason, message=refusal.message, wake_at=due)
    if observed.placement.never_fits:
        return _never_fits(observed)
    if gang.short_of_nodes and not gang.scheduled:
        message = gang.unschedulable.unschedulable_message if gang.unschedulable else ""
        return Plan(Phase.QUEUED, reason=Reasons.WAITING_FOR_NODES, message=message)
    reason = Reasons.WAITING_FOR_NODES if gang.short_of_nodes else Reasons.CREATING
    due = _next_of(
        observed, start_timeout_at(observed), slow_rank_at(observed), slow_start_at(observed)
    )
    return Plan(Phase.STARTING, reason=reason, wake_at=due)


def _never_fits(observed: Observed) -> Plan:
    """The pods stay: an autoscaler adds nodes only for pods that it sees."""
    phase = Phase.STARTING if observed.gang.scheduled else Phase.QUEUED
    message, due = observed.placement.never_fits, start_timeout_at(observed)
    return Plan(phase, reason=Reasons.NEVER_FITS, message=message, wake_at=due)


def _next_of(observed: Observed, *times: datetime | None) -> datetime | None:
    return min((time for time in times if time and time > observed.now), default=None)
