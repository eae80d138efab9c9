"""The order of policies: the first that speaks wins.

Completion comes before suspension and the deadline: what has finished was finished before anyone
came to look, also where nobody looked for a while.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from stargate_operator.decide.all_or_nothing import all_or_nothing
from stargate_operator.decide.changed_runtime import changed_runtime
from stargate_operator.decide.complete import complete
from stargate_operator.decide.damaged_checkpoint import damaged_checkpoint
from stargate_operator.decide.deadline import deadline, deadline_at
from stargate_operator.decide.failure import failure
from stargate_operator.decide.hang import hang, hang_at
from stargate_operator.decide.node_loss import node_loss
from stargate_operator.decide.node_return import node_return, node_return_at
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Plan
from stargate_operator.decide.startup import startup
from stargate_operator.decide.suspend import suspend
from stargate_operator.decide.ttl import ttl

POLICIES: tuple[Callable[[Observed], Plan | None], ...] = (
    ttl,
    complete,
    suspend,
    deadline,
    damaged_checkpoint,
    failure,
    hang,
    node_loss,
    node_return,
    all_or_nothing,
    changed_runtime,
    startup,
)


def decide(observed: Observed) -> Plan:
    plan = next(plan for policy in POLICIES if (plan := policy(observed)) is not None)
    others = [observed.node_health.look_again_at(observed.now), *_dues(observed, plan)]
    ahead = [due for due in others if due and due > observed.now]
    dues = [*ahead, plan.wake_at] if plan.wake_at else ahead
    return replace(plan, wake_at=min(dues, default=None))


def _dues(observed: Observed, plan: Plan) -> list[datetime | None]:
    """When a policy that is silent now would speak, of those that concern a job that is to run."""
    if plan.phase.finished or observed.job.spec.suspend:
        return []
    return [deadline_at(observed), hang_at(observed), node_return_at(observed)]
