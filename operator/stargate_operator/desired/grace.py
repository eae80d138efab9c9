"""How long a worker has between SIGTERM and SIGKILL: the pod's grace, and what the worker is told."""

from stargate_operator.model.blueprint import Blueprint
from stargate_types import StargateJob

_DEFAULT_GRACE_SECONDS = 30


def grace_period_seconds(job: StargateJob, blueprint: Blueprint) -> int:
    template = job.spec.template
    asked = template and template.termination_grace_period_seconds
    return (
        asked or blueprint.runtime.spec.termination_grace_period_seconds or _DEFAULT_GRACE_SECONDS
    )
