"""A finished job stays as it is; past its time to live it is deleted."""

from datetime import timedelta

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Plan


def ttl(observed: Observed) -> Plan | None:
    phase, status = observed.phase, observed.job.status
    if phase is None or not phase.finished:
        return None
    ttl = observed.job.spec.ttl_seconds_after_finished
    if ttl is None or status.completion_time is None:
        return Plan(phase, reason=phase)
    due = status.completion_time + timedelta(seconds=ttl)
    return Plan(phase, reason=phase, delete_job=observed.now >= due, wake_at=due)
