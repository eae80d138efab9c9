"""Gathers all that a decision may look at, from caches alone: a pass reads nothing over the network.

Observing changes nothing. The reconciler takes the notes that the decision needs (`Memory.note_failures`
and `Memory.note_timeout`) before it observes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from stargate_operator.constants import Reasons
from stargate_operator.decide.observed import ClusterFacts, Contention, Listening, Notes, Observed
from stargate_operator.informers.catalog import Catalog
from stargate_operator.model.assessment import Assessment
from stargate_operator.model.blueprint import Blueprint, Refusal, resolve
from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.node_health import NodeHealth
from stargate_operator.model.pod import Pod
from stargate_operator.model.report_interval import interval_seconds
from stargate_operator.model.reports import Reports
from stargate_operator.placement.placer import Placer
from stargate_operator.reconcile.memory import Memory
from stargate_types import StargateJob


@dataclass(frozen=True)
class ClusterView:
    """The parts of the cluster that a pass sees beside the job itself. The reconciler builds one
    each time."""

    catalog: Catalog
    contention: Contention
    native_gangs: bool
    missing_gang_objects: tuple[str, ...]
    heard_since: datetime
    node_health: Callable[[Iterable[Pod], Iterable[str]], NodeHealth]
    """Called with the gang's pods and the names of the nodes that the job avoids."""
    placer: Placer


_MISSING = {
    Reasons.RUNTIME_NOT_FOUND: "StargateRuntime",
    Reasons.ACCELERATOR_CLASS_NOT_FOUND: "AcceleratorClass",
    Reasons.BLOCK_NOT_FOUND: "ComputeBlock",
    Reasons.NO_BLOCK_FITS: "ComputeBlock",
}
_NAMED_AT_MOST = 3


def observe(
    job: StargateJob,
    pods: tuple[Gang, PreviousPods],
    *,
    memory: Memory,
    reports: Reports,
    view: ClusterView,
    now: datetime,
) -> Observed:
    gang, previous_pods = pods
    placement = view.placer.assess(
        job, _blueprint(job, memory, view.catalog), short_of_nodes=gang.short_of_nodes
    )
    return Observed(
        job=job,
        now=now,
        placement=_with_unreadable(placement, view.catalog),
        gang=gang,
        previous_pods=previous_pods,
        node_health=view.node_health(
            chain(gang.ranks.values(), previous_pods.alive),
            (avoided.name for avoided in job.status.avoided_nodes),
        ),
        contention=view.contention,
        reports=reports,
        listening=Listening(
            since=max(view.heard_since, memory.timeout_counts_from or view.heard_since),
            report_interval=interval_seconds(job.current_world_size, job.report_timeout),
        ),
        notes=Notes(
            trouble=memory.creates.trouble,
            delete_trouble=memory.deletes.trouble,
            failed_since=memory.failed_since,
        ),
        cluster=ClusterFacts(
            native_gangs=view.native_gangs,
            missing_gang_objects=view.missing_gang_objects,
            pue=view.catalog.pue_in(_block(job)),
        ),
    )


def _block(job: StargateJob) -> str | None:
    """Name of the block that the current attempt is in."""
    attempt = job.current_attempt
    return attempt.block.partition("/")[0] if attempt and attempt.block else None


def _blueprint(job: StargateJob, memory: Memory, catalog: Catalog) -> Blueprint | Refusal:
    """The attempt's own blueprint while it is remembered, so that a later edit never changes a gang."""
    remembered = memory.blueprint_of(job.status.attempt)
    if remembered is not None:
        return remembered
    return resolve(job, runtimes=catalog.runtimes, classes=catalog.classes)


def _with_unreadable(assessment: Assessment, catalog: Catalog) -> Assessment:
    """What is missing may exist, and this version cannot read it."""
    refusal = assessment.blueprint
    if not isinstance(refusal, Refusal):
        return assessment
    unreadable = catalog.unreadable(_MISSING.get(refusal.reason, ""))[:_NAMED_AT_MOST]
    told = replace(refusal, message="; ".join((refusal.message, *unreadable)))
    return replace(assessment, blueprint=told)
