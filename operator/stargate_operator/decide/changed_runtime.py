"""All pods of a gang are made from one runtime, class and compute block.

If one of these changes before all pods are made, and the operator does not remember the old one, a new
attempt begins from the new one.

See docs/decisions/0003-one-attempt-one-runtime.md.
"""

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model.blueprint import Blueprint, Refusal
from stargate_types.status import AttemptStatus, Cause, Phase


def changed_runtime(observed: Observed) -> Plan | None:
    attempt, blueprint = observed.attempt, observed.blueprint
    if attempt is None or isinstance(blueprint, Refusal):
        return None
    if not observed.starting or not observed.gang.missing_ranks:
        return None
    if _made_from(attempt, blueprint):
        return None
    made_from = [blueprint.runtime_id, blueprint.class_id, blueprint.block_id]
    message = f"the runtime, class or block changed to {', '.join(filter(None, made_from))}"
    return Plan(
        Phase.RESTARTING,
        reason=Cause.RUNTIME_CHANGED,
        message=message,
        ending=Ending(Cause.RUNTIME_CHANGED, observed.now, message),
        next_attempt=True,
    )


def _made_from(attempt: AttemptStatus, blueprint: Blueprint) -> bool:
    recorded = (attempt.runtime, attempt.accelerator_class, attempt.block)
    return recorded == (blueprint.runtime_id, blueprint.class_id, blueprint.block_id)
