"""Gather all that a decision may look at, from caches alone: a pass reads nothing over the network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from stargate_operator.cluster import Cluster
from stargate_operator.decide.observed import Contention, Observed
from stargate_operator.desired.blueprint import Blueprint, Refusal, resolve
from stargate_operator.gang import Roll
from stargate_operator.jobs import Catalogue
from stargate_operator.memory import Memory
from stargate_operator.pod import Pod
from stargate_operator.reported import Reports
from stargate_operator.reports.cadence import interval_seconds
from stargate_types import StargateJob


@dataclass(frozen=True)
class Surroundings:
    """What a job's pass sees beside the job itself."""

    catalogue: Catalogue
    contention: Contention
    native_gangs: bool
    missing_companions: tuple[str, ...]
    heard_since: datetime
    cluster: Callable[[Iterable[Pod], Iterable[str]], Cluster]
    """Of these pods, and of the nodes of these names that the job avoids."""


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
    memory.note_timeout(job, now)
    return Observed(
        job=job,
        now=now,
        blueprint=_blueprint(job, memory, around.catalogue),
        gang=gang,
        remains=remains,
        reports=reports,
        trouble=memory.trouble,
        contention=around.contention,
        cluster=around.cluster(
            chain(gang.ranks.values(), remains.alive),
            (each.name for each in job.status.avoided_nodes),
        ),
        failed_since=memory.failed_since,
        heard_since=max(around.heard_since, memory.timeout_counts_from or around.heard_since),
        report_interval=interval_seconds(job.world_size, job.report_timeout),
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
