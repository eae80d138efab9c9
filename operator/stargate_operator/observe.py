"""Gather all that a decision may look at, from caches alone: a pass reads nothing over the network."""

from dataclasses import dataclass
from datetime import datetime

from stargate_operator.decide.observed import Contention, Observed
from stargate_operator.desired.blueprint import Blueprint, Refusal, resolve
from stargate_operator.gang import Roll
from stargate_operator.jobs import Catalogue
from stargate_operator.memory import Memory
from stargate_operator.reported import Reports
from stargate_types import StargateJob


@dataclass(frozen=True)
class Surroundings:
    """What a job's pass sees beside the job itself."""

    catalogue: Catalogue
    contention: Contention
    native_gangs: bool
    missing_companions: tuple[str, ...]


def observe(
    job: StargateJob,
    roll: Roll,
    *,
    creating: frozenset[int],
    memory: Memory,
    reports: Reports,
    around: Surroundings,
    now: datetime,
) -> Observed:
    size = _world_size(job)
    gang, remains = roll.gang(attempt=job.status.attempt, size=size, creating=creating)
    memory.note_failures(gang, now)
    return Observed(
        job=job,
        now=now,
        blueprint=_blueprint(job, memory, around.catalogue),
        gang=gang,
        remains=remains,
        reports=reports,
        trouble=memory.trouble,
        contention=around.contention,
        failed_since=memory.failed_since,
        pue=around.catalogue.pue,
        native_gangs=around.native_gangs,
        missing_companions=around.missing_companions,
    )


def _world_size(job: StargateJob) -> int:
    attempts = job.status.attempts
    return attempts[-1].world_size if attempts else job.world_size


def _blueprint(job: StargateJob, memory: Memory, catalogue: Catalogue) -> Blueprint | Refusal:
    """The attempt's own, while it is remembered: a later edit never touches a gang."""
    remembered = memory.blueprint_of(job.status.attempt)
    return remembered or resolve(job, runtimes=catalogue.runtimes, classes=catalogue.classes)
