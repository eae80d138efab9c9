"""All or nothing: a gang that got only some of its nodes gives them back.

Two gangs that are both half scheduled would wait for each other for ever, so the younger one yields at
once. A gang also yields at once if another gang is whole and has taken the nodes that it lacks. No gang
stays partly scheduled past its start timeout. A gang that has run before keeps its nodes until then: it
may wait for a lost node, which can be back in a minute. The nodes are given back by ending the attempt.
The names of its pods are never used again: a worker on a cut-off node may still run under them.

See docs/decisions/0001-giving-back-ends-the-attempt.md.
See docs/decisions/0002-yield-only-when-nodes-are-short.md.
"""

from datetime import UTC, datetime, timedelta

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase


def start_timeout_at(observed: Observed) -> datetime | None:
    """The time at which a gang that is not whole gives its nodes back, counted from the last rank
    that got a node."""
    if not observed.starting or not observed.gang.partly_scheduled or observed.attempt is None:
        return None
    last = datetime.fromtimestamp(observed.gang.last_scheduled_at, UTC)
    timeout = observed.job.spec.scheduling.start_timeout_seconds
    return max(last, observed.attempt.start) + timedelta(seconds=timeout)


def all_or_nothing(observed: Observed) -> Plan | None:
    due = start_timeout_at(observed)
    if due is None:
        return None
    stronger = _stronger(observed)
    if stronger is not None:
        return _give_back(observed, Cause.YIELDED, f"to {stronger}")
    if observed.now < due:
        return None
    timeout = observed.job.spec.scheduling.start_timeout_seconds
    return _give_back(
        observed,
        Cause.START_TIMEOUT,
        f"after spec.scheduling.startTimeoutSeconds, {timeout} s without another rank scheduled",
    )


def _stronger(observed: Observed) -> str | None:
    """The job to yield to. Every gang is partly scheduled for a moment, so it matters only while
    nodes are short."""
    others, short = observed.contention, observed.gang.short_of_nodes
    if observed.cluster.native_gangs:
        return None
    if others.older and (short or others.older_is_short):
        return f"the older job {others.older}"
    if others.whole and short and not observed.ever_ran:
        return f"the job {others.whole}, which has all of its own"
    return None


def _give_back(observed: Observed, cause: Cause, why: str) -> Plan:
    gang = observed.gang
    message = f"gave back {gang.scheduled} of {gang.world_size} nodes {why}"
    return Plan(
        Phase.QUEUED,
        reason=Reasons.YIELDED if cause is Cause.YIELDED else Reasons.START_TIMEOUT,
        message=message,
        ending=Ending(cause, observed.now, message),
        next_attempt=True,
    )
