"""The job has succeeded when every rank has.

An attempt that was ended cannot complete: workers that are told to stop may save and exit with 0.

See docs/decisions/0016-an-early-end-exits-with-143.md.
"""

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase


def complete(observed: Observed) -> Plan | None:
    if not observed.resolved or observed.ended or not observed.gang.all_succeeded:
        return None
    message = f"all {observed.gang.world_size} ranks succeeded"
    return Plan(
        Phase.SUCCEEDED,
        reason=Reasons.ALL_SUCCEEDED,
        message=message,
        ending=Ending(Cause.SUCCEEDED, observed.now, message),
    )
