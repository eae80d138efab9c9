"""The whole status, from what was observed and what is planned: the same input, the same words."""

from typing import Any

from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.desired.uris import attempt_folder
from stargate_operator.model import checkpoints
from stargate_operator.model.blueprint import Blueprint
from stargate_operator.model.gang import Gang
from stargate_operator.model.pod import Pod
from stargate_operator.status import attempts, avoided_nodes, goodput, progress
from stargate_operator.status.conditions import conditions
from stargate_operator.status.size_limit import fitted
from stargate_types.status import (
    AttemptStatus,
    AvoidedNode,
    Cause,
    Phase,
    StargateJobStatus,
    Workers,
)

Changes = dict[str, Any]


def describe(observed: Observed, plan: Plan) -> StargateJobStatus:
    status = observed.job.status
    if status.phase is not None and status.phase.finished:
        return _finished(observed)
    saved, lost = observed.saved, _lost(observed, plan)
    if plan.next_attempt or plan.phase.finished:
        saved = checkpoints.without_unfinished(saved)
    changes: Changes = {
        "observed_generation": observed.job.metadata.generation,
        "phase": plan.phase,
        "conditions": conditions(observed, plan),
        "checkpoints": saved,
        "progress": progress.progress(
            status.progress,
            observed.reports,
            epochs=observed.job.spec.epochs,
            attempt=observed.attempt,
        ),
        "goodput": goodput.goodput(status, observed.now, lost, plan.ending),
        "energy": _energy(observed),
        "accounted_time": observed.now,
        "failures_since_checkpoint": observed.failures,
        "avoided_nodes": _avoided(observed, plan),
        **_times(observed, plan),
    }
    _record_attempts(observed, plan, changes, lost)
    changes["workers"] = _workers(observed, plan)
    return fitted(status.model_copy(update=changes))


def _finished(observed: Observed) -> StargateJobStatus:
    """Nothing of it changes any more, but that the last workers of a failed job stop, or are lost."""
    status, workers = observed.job.status, observed.job.status.workers
    if status.phase is not Phase.FAILED or workers is None or not workers.running:
        return status
    found, lost = list(status.attempts), _listed(observed, status.avoided_nodes)
    _tell_given_up(observed, found, avoided_nodes.added(status.avoided_nodes, lost))
    changes = {"workers": count(observed.gang), "attempts": found, "avoided_nodes": lost}
    return fitted(status.model_copy(update=changes))


def _record_attempts(observed: Observed, plan: Plan, changes: Changes, lost: float) -> None:
    status = observed.job.status
    found = list(status.attempts)
    _revise(observed, found, changes)
    if found:
        found[-1] = _current(observed, plan, found[-1], lost)
        changes["failures_since_checkpoint"] += plan.ending is not None and plan.ending.counted
        _tell_given_up(
            observed, found, avoided_nodes.added(status.avoided_nodes, changes["avoided_nodes"])
        )
    if plan.next_attempt:
        wanted = observed.job.spec.resource_allocation.nodes
        found = attempts.begun(found, now=observed.now, world_size=wanted)
        restarted = plan.ending is not None and plan.ending.failure
        changes["restarts"] = status.restarts + restarted
    if plan.resolve:
        _resolve(observed, found, changes)
    changes["attempts"] = found
    changes["attempt"] = found[-1].number if found else 0


def _current(observed: Observed, plan: Plan, attempt: AttemptStatus, lost: float) -> AttemptStatus:
    if plan.ending:
        return attempts.ended(attempt, plan.ending, lost)
    if attempt.end:
        return attempts.with_more_lost(attempt, lost)
    if plan.phase is Phase.RUNNING and attempt.running is None:
        return attempt.model_copy(update={"running": observed.now})
    return attempt


def _revise(observed: Observed, found: list[AttemptStatus], changes: Changes) -> None:
    """Until the pods of the next attempt may be made, the cause is provisional."""
    if len(found) < 2 or observed.resolved:
        return
    revision = attempts.revised(found[-2], observed.previous_pods, observed.now)
    if revision is None:
        revision = attempts.lost_with_node(found[-2], _on_lost_nodes(observed))
    if revision is not None:
        found[-2] = revision.attempt
        counted = changes["failures_since_checkpoint"] + revision.counted
        changes["failures_since_checkpoint"] = max(0, counted)


def _avoided(observed: Observed, plan: Plan) -> list[AvoidedNode]:
    standing = observed.job.status.avoided_nodes
    if plan.ending and plan.ending.cause is Cause.NODE_RETURNED:
        standing = avoided_nodes.without(standing, observed.node_health.ready_again)
    if plan.next_attempt or plan.resolve:
        standing = avoided_nodes.without_forgotten(standing, observed.now)
    return _listed(observed, standing)


def _listed(observed: Observed, standing: list[AvoidedNode]) -> list[AvoidedNode]:
    until = observed.now + observed.node_health.avoided_for
    return avoided_nodes.with_lost(standing, observed.lost_nodes, now=observed.now, until=until)


def _tell_given_up(observed: Observed, found: list[AttemptStatus], nodes: set[str]) -> None:
    """Once, when the node comes to be listed: what is written of it again would be written for ever."""
    pods = [pod for pod in _on_lost_nodes(observed) if pod.node in nodes]
    for index, attempt in enumerate(found):
        if attempt.end is not None:
            mine = [pod for pod in pods if pod.attempt == attempt.number]
            found[index] = attempts.with_given_up(attempt, mine)


def _on_lost_nodes(observed: Observed) -> list[Pod]:
    if not observed.lost_nodes:
        return []
    held = (*observed.gang.live_pods, *observed.previous_pods.alive)
    return [pod for pod in held if pod.node in observed.lost_nodes]


def _resolve(observed: Observed, found: list[AttemptStatus], changes: Changes) -> None:
    assert isinstance(observed.blueprint, Blueprint)
    point = checkpoints.resume_point(observed.job, changes["checkpoints"])
    found[-1] = attempts.resolved(found[-1], observed.blueprint, point)
    folder = attempt_folder(observed.blueprint.checkpoint_base, found[-1].number)
    changes["checkpoints"] = checkpoints.begun(changes["checkpoints"], folder=folder, point=point)
    epoch = point.epoch if point and point.epoch is not None else 0
    changes["progress"] = progress.back_to(changes["progress"], epoch)


def _lost(observed: Observed, plan: Plan) -> float:
    """Seconds of training that are lost now; negative where workers that were told to stop saved."""
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
    return goodput.energy(observed.job.status, observed.now, watts_per_node=watts, pue=observed.pue)


def _times(observed: Observed, plan: Plan) -> Changes:
    moment, status = observed.now.replace(microsecond=0), observed.job.status
    resumed = status.phase is Phase.SUSPENDED and plan.phase is not Phase.SUSPENDED
    started = status.start_time is None and plan.next_attempt
    return {
        **({"start_time": moment} if resumed or started else {}),
        **({"completion_time": moment} if plan.phase.finished else {}),
    }


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
