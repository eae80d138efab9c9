"""Builds the whole status from the observed facts and the plan. The same input gives the same status."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import AVOID_NODE, Ending, Plan
from stargate_operator.desired.uris import attempt_folder
from stargate_operator.model import checkpoints
from stargate_operator.model.blueprint import Blueprint
from stargate_operator.model.gang import Gang
from stargate_operator.model.pod import Pod
from stargate_operator.status import attempts, avoided_nodes, goodput, progress
from stargate_operator.status.attempts import Revision
from stargate_operator.status.conditions import conditions
from stargate_operator.status.size_limit import fitted
from stargate_types.position import START
from stargate_types.status import (
    AttemptStatus,
    AvoidedNode,
    Cause,
    Checkpoints,
    Phase,
    Progress,
    StargateJobStatus,
    Workers,
)


@dataclass(frozen=True)
class _Start:
    """The changes by the start of an attempt: it is resolved, and goes on from a checkpoint."""

    attempt: AttemptStatus
    checkpoints: Checkpoints
    progress: Progress | None


def describe(observed: Observed, plan: Plan) -> StargateJobStatus:
    """The status that the reconciler writes in this pass, before any effect."""
    status = observed.job.status
    if status.phase is not None and status.phase.finished:
        return _finished(observed)
    # The order is the design: each value needs some of those above it.
    # Lost time first: it counts every checkpoint, also one that is dropped below.
    lost = _lost(observed, plan)
    saved = _saved(observed, plan)
    told = progress.progress(observed)
    # Nodes before attempts: an attempt names its pods on a lost node once, when the node is listed.
    avoided = _avoided(observed, plan)
    listed = avoided_nodes.added(status.avoided_nodes, avoided)
    # The previous attempt's cause before the end of the current one: both change the failures.
    revision = _revision(observed)
    failures = _failures(observed, plan, revision)
    history = _history(observed, plan, revision, lost=lost, listed=listed)
    # An attempt begins only after the one before it has ended in the history.
    if plan.next_attempt:
        wanted = observed.job.spec.resource_allocation.nodes
        history = attempts.begun(history, now=observed.now, world_size=wanted)
    # Last, the start: it resolves the newest attempt, and turns progress back to its checkpoint.
    if plan.resolve:
        start = _start(observed, history[-1], saved, told)
        history = [*history[:-1], start.attempt]
        saved, told = start.checkpoints, start.progress
    changes: dict[str, object] = {
        "observed_generation": observed.job.metadata.generation,
        "phase": plan.phase,
        "conditions": conditions(observed, plan),
        "workers": _workers(observed, plan),
        "attempt": history[-1].number if history else 0,
        "attempts": history,
        "restarts": status.restarts + _is_restart(plan),
        "failures_since_checkpoint": failures,
        "avoided_nodes": avoided,
        "checkpoints": saved,
        "progress": told,
        "goodput": goodput.goodput(status, observed.now, lost, plan.ending),
        "energy": _energy(observed),
        "accounted_time": observed.now,
        "start_time": _start_time(observed, plan),
        "completion_time": _whole_second(observed)
        if plan.phase.finished
        else status.completion_time,
    }
    return fitted(status.model_copy(update=changes))


def _finished(observed: Observed) -> StargateJobStatus:
    """A finished job keeps its status. Only the last workers of a failed one still stop, or get lost."""
    status, workers = observed.job.status, observed.job.status.workers
    if status.phase is not Phase.FAILED or workers is None or not workers.running:
        return status
    avoided = _listed(observed, status.avoided_nodes)
    listed = avoided_nodes.added(status.avoided_nodes, avoided)
    changes = {
        "workers": count(observed.gang),
        "attempts": _with_given_up(observed, status.attempts, listed),
        "avoided_nodes": avoided,
    }
    return fitted(status.model_copy(update=changes))


def _saved(observed: Observed, plan: Plan) -> Checkpoints | None:
    over = plan.next_attempt or plan.phase.finished
    return checkpoints.without_unfinished(observed.saved) if over else observed.saved


def _failures(observed: Observed, plan: Plan, revision: Revision | None) -> int:
    known = max(0, observed.failures + revision.counted) if revision else observed.failures
    ending = plan.ending if observed.attempt else None
    return known + (ending is not None and ending.counted)


def _is_restart(plan: Plan) -> bool:
    return plan.next_attempt and plan.ending is not None and plan.ending.failure


def _history(
    observed: Observed, plan: Plan, revision: Revision | None, *, lost: float, listed: set[str]
) -> list[AttemptStatus]:
    """The attempts up to the current one, with what this pass has found out of them."""
    known = observed.job.status.attempts
    if not known:
        return []
    previous = [*known[:-2], revision.attempt] if revision else known[:-1]
    current = _current(observed, plan, known[-1], lost)
    return _with_given_up(observed, [*previous, current], listed)


def _current(observed: Observed, plan: Plan, attempt: AttemptStatus, lost: float) -> AttemptStatus:
    if plan.ending:
        return attempts.ended(attempt, plan.ending, lost)
    if attempt.end:
        return attempts.with_more_lost(attempt, lost)
    if plan.phase is Phase.RUNNING and attempt.running is None:
        attempt = attempt.model_copy(update={"running": observed.now})
    return attempts.with_succeeded(attempt, observed.gang.succeeded_ranks)


def _revision(observed: Observed) -> Revision | None:
    """Until the pods of the next attempt may be made, the previous attempt's cause is provisional."""
    previous = observed.previous
    if previous is None or observed.resolved:
        return None
    found = attempts.revised(previous, observed.previous_pods, observed.now)
    return found or attempts.lost_with_node(previous, _on_lost_nodes(observed))


def _avoided(observed: Observed, plan: Plan) -> list[AvoidedNode]:
    standing = observed.job.status.avoided_nodes
    if plan.ending and plan.ending.cause is Cause.NODE_RETURNED:
        standing = avoided_nodes.without(standing, observed.node_health.ready_again)
    if plan.next_attempt or plan.resolve:
        standing = avoided_nodes.without_forgotten(standing, observed.now)
    if plan.ending and plan.ending.node and plan.ending.cause in AVOID_NODE:
        standing = _with_avoided(observed, standing, [plan.ending.node])
    return _listed(observed, standing)


def _listed(observed: Observed, standing: list[AvoidedNode]) -> list[AvoidedNode]:
    return _with_avoided(observed, standing, observed.lost_nodes)


def _with_avoided(
    observed: Observed, standing: list[AvoidedNode], names: Iterable[str]
) -> list[AvoidedNode]:
    until = observed.now + observed.node_health.avoided_for
    return avoided_nodes.with_more(standing, names, now=observed.now, until=until)


def _with_given_up(
    observed: Observed, history: list[AttemptStatus], nodes: set[str]
) -> list[AttemptStatus]:
    """Each ended attempt names its pods on these nodes. `nodes` are those that come to be listed now:
    naming them again at every pass would write the attempt at every pass."""
    pods = [pod for pod in _on_lost_nodes(observed) if pod.node in nodes]

    def told(attempt: AttemptStatus) -> AttemptStatus:
        if attempt.end is None:
            return attempt
        return attempts.with_given_up(
            attempt, [pod for pod in pods if pod.attempt == attempt.number]
        )

    return [told(attempt) for attempt in history]


def _on_lost_nodes(observed: Observed) -> list[Pod]:
    if not observed.lost_nodes:
        return []
    held = (*observed.gang.live_pods, *observed.previous_pods.alive)
    return [pod for pod in held if pod.node in observed.lost_nodes]


def _start(
    observed: Observed, attempt: AttemptStatus, saved: Checkpoints | None, told: Progress | None
) -> _Start:
    assert isinstance(observed.blueprint, Blueprint)
    point = checkpoints.resume_point(observed.job, saved)
    folder = attempt_folder(observed.blueprint.checkpoint_base, attempt.number)
    return _Start(
        attempt=attempts.resolved(attempt, observed.blueprint, point),
        checkpoints=checkpoints.begun(saved, folder=folder, point=point),
        progress=progress.back_to(observed.job, told, (point and point.position) or START),
    )


def _lost(observed: Observed, plan: Plan) -> float:
    """Seconds of training that turn out to be lost now. Negative if workers that were told to stop
    saved."""
    attempt, usable = observed.attempt, checkpoints.complete(observed.saved)
    if attempt is None:
        return 0.0
    if attempt.end is None or attempt.cause is None:
        return goodput.lost_seconds(attempt, plan.ending, usable) if plan.ending else 0.0
    ending = Ending(attempt.cause, attempt.end)
    return goodput.lost_seconds(attempt, ending, usable) - (attempt.lost_seconds or 0.0)


def _energy(observed: Observed) -> object:
    blueprint = observed.blueprint
    watts = blueprint.watts_per_node if isinstance(blueprint, Blueprint) else 0.0
    return goodput.energy(
        observed.job.status, observed.now, watts_per_node=watts, pue=observed.cluster.pue
    )


def _start_time(observed: Observed, plan: Plan) -> datetime | None:
    """The deadline counts from it, so it moves when a suspended job is resumed."""
    status = observed.job.status
    resumed = status.phase is Phase.SUSPENDED and plan.phase is not Phase.SUSPENDED
    started = status.start_time is None and plan.next_attempt
    return _whole_second(observed) if resumed or started else status.start_time


def _whole_second(observed: Observed) -> datetime:
    return observed.now.replace(microsecond=0)


def _workers(observed: Observed, plan: Plan) -> Workers:
    if plan.next_attempt:
        return Workers(desired=observed.job.spec.resource_allocation.nodes)
    return count(observed.gang)


def count(gang: Gang) -> Workers:
    return Workers(
        desired=gang.world_size,
        created=gang.created,
        scheduled=gang.scheduled,
        running=gang.running,
        ready=gang.ready,
        succeeded=gang.succeeded,
        failed=len(gang.failed),
    )
