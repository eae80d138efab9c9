"""The conditions of a job (metav1.Condition): what is true of it, since when, and why.

Messages hold no counts that change with every pod, or every pod would cost a write. The counts are in
`status.workers`.
"""

from datetime import datetime
from typing import Literal

from stargate_operator.constants import Conditions, Reasons
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Plan
from stargate_operator.decide.slow_start import slow_rank, why_behind
from stargate_operator.model.blueprint import Refusal
from stargate_operator.status.size_limit import shortened
from stargate_types.status import Cause, Condition, Phase

_MESSAGE_BYTES = 512


class ConditionSet:
    """The conditions of the next status: those of the last one, and the changes made by `set`."""

    def __init__(self, standing: list[Condition], *, generation: int, now: datetime) -> None:
        self._by_type = {condition.type: condition for condition in standing}
        self._generation = generation
        self._now = now.replace(microsecond=0)

    def set(self, kind: str, holds: bool, reason: str, message: str = "") -> None:
        status: Literal["True", "False"] = "True" if holds else "False"
        before = self._by_type.get(kind)
        unmoved = before is not None and before.status == status
        self._by_type[kind] = Condition(
            type=kind,
            status=status,
            reason=reason,
            message=shortened(message, _MESSAGE_BYTES),
            observed_generation=self._generation,
            last_transition_time=before.last_transition_time if before and unmoved else self._now,
        )

    def stands(self, kind: str) -> bool:
        return kind in self._by_type

    def as_list(self) -> list[Condition]:
        return list(self._by_type.values())


def conditions(observed: Observed, plan: Plan) -> list[Condition]:
    meta, status = observed.job.metadata, observed.job.status
    found = ConditionSet(status.conditions, generation=meta.generation, now=observed.now)
    _accepted(found, observed)
    _suspended(found, plan)
    if plan.phase.finished:
        _finished(found, plan)
    else:
        _scheduled(found, observed, plan)
        _ready(found, observed, plan)
    return found.as_list()


def _accepted(found: ConditionSet, observed: Observed) -> None:
    """A change or a deletion of the runtime or class does not matter to a gang whose pods all exist."""
    refusal, complete = observed.blueprint, observed.resolved and not observed.gang.absent_ranks
    if not isinstance(refusal, Refusal) or refusal.waits:
        found.set(Conditions.ACCEPTED, True, Reasons.ACCEPTED, "the job can run on this cluster")
    elif not observed.has_run and not complete:
        found.set(Conditions.ACCEPTED, False, refusal.reason, refusal.message)


def _suspended(found: ConditionSet, plan: Plan) -> None:
    if plan.phase is Phase.SUSPENDED:
        found.set(
            Conditions.SUSPENDED,
            plan.reason == Reasons.SUSPENDED,
            plan.reason,
            f"spec.suspend is true: {plan.message}",
        )
    elif found.stands(Conditions.SUSPENDED):
        found.set(Conditions.SUSPENDED, False, Reasons.RESUMED, "spec.suspend is false")


def _scheduled(found: ConditionSet, observed: Observed, plan: Plan) -> None:
    if observed.gang.all_scheduled and not plan.next_attempt:
        found.set(Conditions.SCHEDULED, True, Reasons.GANG_SCHEDULED, "every rank has a node")
        return
    message = plan.message
    if not message and observed.gang.unschedulable and not plan.next_attempt:
        message = observed.gang.unschedulable.unschedulable_message
    if not message and plan.reason == Reasons.CREATING:
        message = "the workers are being created and scheduled"
    found.set(Conditions.SCHEDULED, False, plan.reason, message)


def _ready(found: ConditionSet, observed: Observed, plan: Plan) -> None:
    stuck = observed.gang.waiting
    if plan.phase is Phase.RUNNING:
        found.set(Conditions.READY, True, Reasons.ALL_RUNNING, _all_run(observed))
    elif stuck is not None and not plan.next_attempt:
        found.set(Conditions.READY, False, Reasons.CANNOT_START, why_behind(stuck))
    elif (said := _could_not_start(observed, plan)) is not None:
        found.set(Conditions.READY, False, Reasons.CANNOT_START, said)
    elif plan.phase is Phase.STARTING:
        message = slow_rank(observed) or "not every rank runs yet"
        found.set(Conditions.READY, False, Reasons.NOT_ALL_RUNNING, message)
    else:
        found.set(Conditions.READY, False, plan.reason, plan.message)


def _could_not_start(observed: Observed, plan: Plan) -> str | None:
    """The kubelet's message. It stays while the next attempt starts, or nobody could read it in time."""
    if plan.ending is not None:
        return plan.ending.message if plan.ending.cause is Cause.CANNOT_START else None
    before = observed.previous
    waits = before is not None and before.cause is Cause.CANNOT_START and not observed.has_run
    return before.message if waits and before is not None else None


def _all_run(observed: Observed) -> str:
    """The message of Ready. If a node is silent, the known state of its pods is old."""
    node_health, said = observed.node_health, "every rank runs or has succeeded"
    if not node_health.unready:
        return said
    first = min(node_health.unready.values(), key=lambda node: node.since)
    others = len(node_health.unready) - 1
    more = f" and {others} more nodes" if others else ""
    verb = "have" if others else "has"
    since = f"{said}, as far as is known: {first.name}{more} {verb} not been ready"
    if node_health.outage:
        return f"{since}, like most of the cluster: waiting for the nodes to come back"
    return f"{since} since {first.since:%Y-%m-%dT%H:%M:%SZ}"


def _finished(found: ConditionSet, plan: Plan) -> None:
    kind = Conditions.SUCCEEDED if plan.phase is Phase.SUCCEEDED else Conditions.FAILED
    found.set(kind, True, plan.reason, plan.message)
    found.set(Conditions.READY, False, plan.reason, "the job has finished")
