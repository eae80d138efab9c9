"""The order of policies: the first that speaks wins.

Completion comes before suspension and the deadline: what has finished was finished before anyone
came to look, also where nobody looked for a while.
"""

from collections.abc import Callable
from dataclasses import replace

from stargate_operator.decide.complete import complete
from stargate_operator.decide.damage import damage
from stargate_operator.decide.deadline import deadline, deadline_at
from stargate_operator.decide.failure import failure
from stargate_operator.decide.gang import gang
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Plan
from stargate_operator.decide.retire import retire
from stargate_operator.decide.shortage import shortage
from stargate_operator.decide.suspend import suspend
from stargate_operator.decide.upgrade import upgrade

POLICIES: tuple[Callable[[Observed], Plan | None], ...] = (
    retire,
    complete,
    suspend,
    deadline,
    damage,
    failure,
    shortage,
    upgrade,
    gang,
)


def decide(observed: Observed) -> Plan:
    plan = next(plan for policy in POLICIES if (plan := policy(observed)) is not None)
    due = deadline_at(observed)
    if due is None or plan.phase.finished or observed.job.spec.suspend:
        return plan
    return replace(plan, wake_at=min(due, plan.wake_at) if plan.wake_at else due)
