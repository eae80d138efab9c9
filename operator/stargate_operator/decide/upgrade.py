"""A gang is made from one runtime and one class: if either changed before all its pods were made,
and nobody remembers the old one, the attempt begins anew from the new one."""

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.desired.blueprint import Refusal
from stargate_types.status import AttemptStatus, Cause, Phase


def upgrade(observed: Observed) -> Plan | None:
    attempt, blueprint = observed.attempt, observed.blueprint
    if attempt is None or isinstance(blueprint, Refusal):
        return None
    if not observed.starting or not observed.gang.missing_ranks:
        return None
    if _made_from(attempt, blueprint.runtime_id, blueprint.class_id):
        return None
    message = f"the runtime or class changed to {blueprint.runtime_id}, {blueprint.class_id}"
    return Plan(
        Phase.RESTARTING,
        reason=Cause.RUNTIME_CHANGED,
        message=message,
        ending=Ending(Cause.RUNTIME_CHANGED, observed.now, message),
        next_attempt=True,
    )


def _made_from(attempt: AttemptStatus, runtime: str, accelerator_class: str) -> bool:
    return attempt.runtime == runtime and attempt.accelerator_class == accelerator_class
