"""A damaged checkpoint is never resumed from: the next attempt starts from the one before it.

See docs/decisions/0007-damaged-is-said-only-of-what-was-read.md.
"""

from stargate_operator.constants import Reasons
from stargate_operator.decide.failure import end_attempt
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model import checkpoints
from stargate_types.status import Cause, Phase


def damaged_checkpoint(observed: Observed) -> Plan | None:
    standing = observed.job.status.checkpoints
    restored = standing and standing.restored_from
    if not restored or observed.ended:
        return None
    damaged = [report for report in observed.reports.checkpoints if report.state == "Damaged"]
    if not any(report.uri == restored.uri for report in damaged):
        return None
    message = f"the checkpoint {restored.uri} is damaged"
    warm_start = restored.uri == observed.job.spec.checkpoint.restore_from
    if warm_start and not checkpoints.complete(observed.saved):
        return _no_warm_start(observed, message)
    return end_attempt(observed, Ending(Cause.CHECKPOINT_DAMAGED, observed.now, message))


def _no_warm_start(observed: Observed, message: str) -> Plan:
    return Plan(
        Phase.FAILED,
        reason=Reasons.CHECKPOINT_DAMAGED,
        message=f"spec.checkpoint.restoreFrom: {message}, and there is none before it",
        ending=Ending(Cause.CHECKPOINT_DAMAGED, observed.now, message),
    )
