"""A rank whose node is lost ends the attempt: otherwise its pod would be shown as running for ever.

This holds while the gang starts, too. Any other missing rank is made again then, but a worker on the
cut-off node may still run under the name of this one. `model/node_health.py` says what becomes of the
pods on a lost node.
"""

from stargate_operator.decide.failure import end_attempt
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model.node_health import UnreadyNode
from stargate_operator.model.pod import Pod
from stargate_operator.model.ranks import interval_string
from stargate_types.status import Cause


def node_loss(observed: Observed) -> Plan | None:
    lost = observed.lost_nodes
    if not lost or not observed.resolved or observed.ended:
        return None
    done = observed.gang.succeeded_ranks  # such a pod may outlive its worker
    pods = [pod for pod in observed.gang.live_pods if pod.node in lost and pod.rank not in done]
    if not pods:
        return None
    first = min(pods, key=lambda pod: (lost[pod.node].since, pod.rank))
    ending = Ending(
        Cause.NODE_LOST,
        observed.now,
        message=_message(observed, first, pods),
        rank=first.rank,
        node=first.node,
    )
    return end_attempt(observed, ending)


def _message(observed: Observed, first: Pod, pods: list[Pod]) -> str:
    node = observed.lost_nodes[first.node]
    others = [pod.rank for pod in pods if pod is not first]
    more = f"; also lost: rank {interval_string(others)}" if others else ""
    return (
        f"rank {first.rank} was lost with its node {node.name}, which {_how(node)} for"
        f" {observed.node_health.lost_after.total_seconds():g} s{more}"
    )


def _how(node: UnreadyNode) -> str:
    return "has been gone or silent" if node.silent else "has said that it is not ready"
