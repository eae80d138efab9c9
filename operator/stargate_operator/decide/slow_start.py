"""A gang that has all its nodes must come to run: one rank that cannot start holds the nodes of all.

The kubelet may give no reason: a pod in ContainerCreating waits for a volume, a network or an image.
After a quiet time the condition names the first such rank. After `startTimeoutSeconds` without progress
the gang gives its nodes back. If only a few ranks are left behind, the next attempt avoids the node of
the first.

See docs/decisions/0047-a-gang-that-does-not-come-to-run-gives-back.md.
"""

from datetime import UTC, datetime, timedelta

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model.pod import PENDING, Pod
from stargate_types.status import Cause, Phase

QUIET = timedelta(seconds=30)
"""Time without a rank that comes to run, from which the first one that does not is named."""
_FEW = 0.5
"""Share of the gang up to which its ranks are left behind by their nodes, and not by the job itself."""


def slow_rank_at(observed: Observed) -> datetime | None:
    """When the first rank that does not come to run will be named."""
    last = _last_progress(observed)
    return last + QUIET if last else None


def slow_start_at(observed: Observed) -> datetime | None:
    """When the gang gives its nodes back."""
    last = _last_progress(observed)
    timeout = observed.job.spec.scheduling.start_timeout_seconds
    return last + timedelta(seconds=timeout) if last else None


def slow_rank(observed: Observed) -> str:
    """What the first rank that does not come to run waits for, since when, and on which node. Empty
    before the quiet time is over."""
    due, first = slow_rank_at(observed), _first_behind(observed)
    if due is None or first is None or observed.now < due:
        return ""
    return why_behind(first)


def slow_start(observed: Observed) -> Plan | None:
    due, first = slow_start_at(observed), _first_behind(observed)
    if due is None or first is None or observed.now < due:
        return None
    gang, timeout = observed.gang, observed.job.spec.scheduling.start_timeout_seconds
    message = (
        f"gave back {gang.scheduled} of {gang.world_size} nodes after"
        f" spec.scheduling.startTimeoutSeconds, {timeout} s without another rank running:"
        f" {why_behind(first)}"
    )
    behind = gang.world_size - gang.running - gang.succeeded
    node = first.node if behind <= gang.world_size * _FEW else None
    return Plan(
        Phase.QUEUED,
        reason=Reasons.START_TIMEOUT,
        message=message,
        ending=Ending(Cause.START_TIMEOUT, observed.now, message, rank=first.rank, node=node),
        next_attempt=True,
    )


def _last_progress(observed: Observed) -> datetime | None:
    """When the last rank got its node or began to run. None unless all have nodes and some do not
    run."""
    gang, attempt = observed.gang, observed.attempt
    if attempt is None or not observed.starting or gang.all_running or not gang.all_scheduled:
        return None
    last = max(gang.last_scheduled_at, gang.last_started_at)
    return max(datetime.fromtimestamp(last, UTC), attempt.start)


def _first_behind(observed: Observed) -> Pod | None:
    """The one that the kubelet gives a reason for, or else the lowest rank."""
    behind = (pod for pod in observed.gang.ranks.values() if pod.phase == PENDING)
    return observed.gang.waiting or min(behind, key=lambda pod: pod.rank, default=None)


def why_behind(pod: Pod) -> str:
    """What a rank that does not run waits for, with its pod, its node and since when."""
    place = f"pod {pod.name} on {pod.node}"
    if pod.scheduled_at:
        place += f" since {datetime.fromtimestamp(pod.scheduled_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    waits = pod.waiting_reason or "its containers have not started and the kubelet gives no reason"
    why = f": {pod.waiting_message}" if pod.waiting_message else ""
    return f"rank {pod.rank} ({place}): {waits}{why}"
