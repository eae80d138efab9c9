"""A gang that finds no room takes back a node that it avoids, once that is ready again.

A lost node is avoided because it may fail again, but a gang that needs every node would otherwise wait
for ever. A pod's affinity cannot be changed, so a new attempt begins; no training is lost.
"""

from datetime import datetime, timedelta

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase

SETTLING = timedelta(seconds=10)
"""Counted from the attempt's start, so that nodes which others just gave back are found first."""


def node_return_at(observed: Observed) -> datetime | None:
    """The time until which the gang waits for other nodes. None if there is no node to take back."""
    if not observed.starting or not observed.gang.short_of_nodes or observed.attempt is None:
        return None
    return observed.attempt.start + SETTLING if observed.node_health.ready_again else None


def node_return(observed: Observed) -> Plan | None:
    due = node_return_at(observed)
    if due is None or observed.now < due:
        return None
    names = ", ".join(sorted(observed.node_health.ready_again))
    message = f"starts again with {names}: lost and avoided before, ready again now, and needed"
    return Plan(
        Phase.RESTARTING,
        reason=Cause.NODE_RETURNED,
        message=message,
        ending=Ending(Cause.NODE_RETURNED, observed.now, message),
        next_attempt=True,
    )
