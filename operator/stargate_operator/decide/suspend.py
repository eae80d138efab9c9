"""A suspended job holds no pods; a resumed one goes on from its last complete checkpoint.

The attempt stays the current one while its workers save within their grace period, so that a last
checkpoint counts. The next attempt begins when the job is resumed.
"""

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.old_gang import overdue_at, waiting_for_pods
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase


def suspend(observed: Observed) -> Plan | None:
    if observed.job.spec.suspend:
        return _suspend(observed)
    return _resume(observed) if observed.phase is Phase.SUSPENDED else None


def _suspend(observed: Observed) -> Plan:
    held = (*observed.gang.live_pods, *observed.previous_pods.alive)
    running = observed.resolved and not observed.ended
    return Plan(
        Phase.SUSPENDED,
        reason=Reasons.SUSPENDING if held else Reasons.SUSPENDED,
        message=waiting_for_pods(observed, held, "waiting until the pods are gone")
        if held
        else "the job holds no pods; set spec.suspend to false to resume it",
        wake_at=overdue_at(observed, held),
        ending=Ending(Cause.SUSPENDED, observed.now, "suspended") if running else None,
    )


def _resume(observed: Observed) -> Plan:
    return Plan(
        Phase.RESTARTING if observed.ended else Phase.PENDING,
        reason=Reasons.RESUMED,
        message="resumed from suspension",
        next_attempt=observed.ended,
    )
