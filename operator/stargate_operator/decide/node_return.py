"""A gang that finds no room takes back a node that it avoids, once that is ready again.

A lost node is avoided because it may fail again, but a gang that needs every node would otherwise
wait for nothing. Pods cannot be told of another node, so the attempt begins anew; nothing was lost.
"""

from datetime import datetime, timedelta

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase

SETTLING = timedelta(seconds=10)
"""From the attempt's start: nodes that were just given back by others are not missed."""


def node_return_at(observed: Observed) -> datetime | None:
    """When the gang has waited for other nodes long enough."""
    if not observed.starting or not observed.gang.short_of_nodes or observed.attempt is None:
        return None
    return observed.attempt.start + SETTLING if observed.node_health.ready_again else None


def node_return(observed: Observed) -> Plan | None:
    due = node_return_at(observed)
    if due is None or observed.now < due:
        return None
    names = ", ".join(sorted(observed.node_health.ready_again))
    message = f"begins anew with {names}: avoided since it was lost, ready again, and needed"
    return Plan(
        Phase.RESTARTING,
        reason=Cause.NODE_RETURNED,
        message=message,
        ending=Ending(Cause.NODE_RETURNED, observed.now, message),
        next_attempt=True,
    )
