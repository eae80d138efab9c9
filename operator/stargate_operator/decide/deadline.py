"""A job fails when it is active for longer than activeDeadlineSeconds, counted from its start or
resume."""

from datetime import datetime, timedelta

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_types.status import Cause, Phase


def deadline_at(observed: Observed) -> datetime | None:
    limit, start = observed.job.spec.active_deadline_seconds, observed.job.status.start_time
    if limit is None or start is None:
        return None
    return start + timedelta(seconds=limit)


def deadline(observed: Observed) -> Plan | None:
    due = deadline_at(observed)
    if due is None or observed.now < due:
        return None
    limit = observed.job.spec.active_deadline_seconds
    message = f"the job was active for longer than spec.activeDeadlineSeconds ({limit} s)"
    return Plan(
        Phase.FAILED,
        reason=Reasons.DEADLINE_EXCEEDED,
        message=message,
        ending=Ending(Cause.DEADLINE_EXCEEDED, observed.now, message),
    )
