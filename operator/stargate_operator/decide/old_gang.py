"""The pods of an earlier attempt hold back the next one until they are gone.

A worker that cannot be killed holds it back for ever: on a node that is ready nobody may take it for
dead. So after a while the message names the pod, its node and what a person can do.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from stargate_operator.decide.observed import Observed
from stargate_operator.model.pod import Pod

OVERDUE = timedelta(seconds=10)
"""Time after a pod's grace from which it is named: a kubelet needs a few seconds after the grace."""


def waiting_for_pods(observed: Observed, pods: Iterable[Pod], usual: str) -> str:
    """The message of a wait for these pods: `usual`, or the first one that is overdue."""
    late = [pod for pod in pods if (due := _due(pod)) and observed.now >= due]
    if not late:
        return usual
    first = min(late, key=lambda pod: (pod.deletion_at or 0.0, pod.rank))
    more = f", and {len(late) - 1} more pods" if len(late) > 1 else ""
    should_end = datetime.fromtimestamp(first.deletion_at or 0.0, UTC)
    return (
        f"pod {first.name} (rank {first.rank}) on {first.node or 'no node'} should have ended at"
        f" {should_end:%Y-%m-%dT%H:%M:%SZ} and has not{more}. Look at its kubelet and node. If you are"
        f" sure that its processes are dead: kubectl delete pod {first.name}"
        f" -n {first.namespace} --grace-period=0 --force"
    )


def overdue_at(observed: Observed, pods: Iterable[Pod]) -> datetime | None:
    """When the next of these pods will be overdue."""
    dues = (_due(pod) for pod in pods)
    return min((due for due in dues if due and due > observed.now), default=None)


def _due(pod: Pod) -> datetime | None:
    if not pod.deleting or pod.deletion_at is None:
        return None
    return datetime.fromtimestamp(pod.deletion_at, UTC) + OVERDUE
