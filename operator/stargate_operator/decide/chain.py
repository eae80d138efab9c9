"""The policies and their order: the first that has a plan decides.

A policy is a pure function from what was observed to a plan, or to None if it has nothing to say. The
order is the design: a policy may rely on the silence of all those before it.
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
from stargate_operator.decide.slow_start import slow_start
from stargate_operator.decide.startup import startup
from stargate_operator.decide.suspend import suspend
from stargate_operator.decide.ttl import ttl

POLICIES: tuple[Callable[[Observed], Plan | None], ...] = (
    ttl,  # A finished job never changes again, so nothing may come before this.
    complete,  # A success stands, even if a suspension or the deadline came before this look.
    suspend,  # The user's word comes before any judgement of a gang that is to stop.
    deadline,  # A job that is out of time must not start another attempt for a failure.
    damaged_checkpoint,  # The damage explains the crash of the ranks that tried to load it.
    failure,  # A rank that has failed explains why the others are silent.
    hang,  # Only a gang of which no rank has failed can hang. Unready nodes explain a silence too.
    node_loss,  # Nothing is heard from a lost node, so only the silence of its kubelet shows it.
    node_return,  # A starting gang takes a node back before it gives up all of its nodes.
    all_or_nothing,  # A gang that must yield is not made again from a changed runtime first.
    slow_start,  # Only a gang that has all its nodes can be kept from running by one rank.
    changed_runtime,  # Pods that are still missing must come from the runtime of the others.
    startup,  # Nothing stands in the way: accept the job, start it, or say that it runs.
)
"""In the order in which they are asked. The last one always has a plan."""


def decide(observed: Observed) -> Plan:
    """The plan for the job, and the time of the next look at the latest. The reconciler asks in each
    pass."""
    plan = next(plan for policy in POLICIES if (plan := policy(observed)) is not None)
    dues = [plan.wake_at, observed.node_health.look_again_at(observed.now), *_dues(observed, plan)]
    # A time that is past has been acted on. It must not hide those that are to come.
    ahead = [due for due in dues if due and due > observed.now]
    return replace(plan, wake_at=min(ahead, default=None))


def _dues(observed: Observed, plan: Plan) -> list[datetime | None]:
    """The times at which a policy that has no plan now would have one. A job that is not to run has
    none."""
    if plan.phase.finished or observed.job.spec.suspend:
        return []
    return [deadline_at(observed), hang_at(observed), node_return_at(observed)]
