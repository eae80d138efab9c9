"""Decodes a pod from the API server and makes the operator's own `Pod` of it.

kopf's copy of a pod event costs 1.9 ms of CPU. To decode only the fields that decisions need costs a
tenth of that.

See docs/decisions/0043-a-rank-ends-with-its-workers-container.md.
"""

from __future__ import annotations

import sys
from datetime import datetime

import msgspec

from stargate_operator import constants
from stargate_operator.informers.pod_requests import Asking, requests_of
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.model.pod import (
    FAILED,
    NOTHING,
    ORDINARY_WAITING,
    SUCCEEDED,
    Pod,
    Termination,
)

_ENDED_BY_ITS_NODE = frozenset(
    {"DeadlineExceeded", "Evicted", "NodeLost", "NodeShutdown", "Preempting", "Terminated"}
)
"""Reasons in a pod's status that say that the kubelet has ended it."""


class _Spec(Asking, rename="camel", frozen=True, gc=False):
    node_name: str = ""
    service_account_name: str = ""


class _Condition(msgspec.Struct, rename="camel", frozen=True, gc=False):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    reason: str = ""
    message: str = ""


class _Running(msgspec.Struct, rename="camel", frozen=True, gc=False):
    started_at: datetime | None = None


class _Terminated(msgspec.Struct, rename="camel", frozen=True, gc=False):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


class _State(msgspec.Struct, frozen=True, gc=False):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


_NO_STATE = _State()


class _ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    name: str
    state: _State = _NO_STATE


class _Status(msgspec.Struct, rename="camel", frozen=True, gc=False):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: list[_Condition] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    container_statuses: list[_ContainerStatus] | None = None


class WirePod(msgspec.Struct, frozen=True, gc=False):
    """A worker pod as it comes from the API server, decoded as far as `Pod` needs it."""

    metadata: ObjectMeta
    spec: _Spec = _Spec()
    status: _Status = _Status()


def pod_of(wire: WirePod) -> Pod:
    meta, spec, status = wire.metadata, wire.spec, wire.status
    labels = meta.labels or {}
    conditions = {c.type: c for c in status.conditions or ()}
    scheduled, ready = conditions.get("PodScheduled"), conditions.get("Ready")
    disrupted = conditions.get("DisruptionTarget")
    if disrupted is not None and disrupted.status != "True":
        disrupted = None
    is_scheduled = scheduled is not None and scheduled.status == "True"
    main = _main_state(status.container_statuses)
    broken = _broken_init_container(wire) if main.terminated is None else None
    waiting = _first_fault(status)
    phase = _rank_phase(wire, main, disrupted)
    return Pod(
        name=meta.name,
        namespace=sys.intern(meta.namespace),
        uid=meta.uid,
        resource_version=number(meta.resource_version),
        job_uid=sys.intern(labels.get(constants.LABEL_JOB_UID, "")),
        job_name=sys.intern(labels.get(constants.LABEL_JOB_NAME, "")),
        attempt=number(labels.get(constants.LABEL_ATTEMPT)),
        rank=number(labels.get(constants.LABEL_RANK)),
        owner_uid=sys.intern(meta.controller_uid),
        created=_epoch(meta.creation_timestamp) or 0.0,
        node=spec.node_name,
        requests=requests_of(spec) if spec.node_name else NOTHING,
        service_account=sys.intern(spec.service_account_name),
        phase=sys.intern(phase),
        pod_phase="" if phase == status.phase else sys.intern(status.phase),
        scheduled_at=_epoch(scheduled.last_transition_time) if scheduled and is_scheduled else None,
        started_at=_epoch(main.running.started_at) if main.running else None,
        ready=ready is not None and ready.status == "True",
        deleting=meta.deletion_timestamp is not None,
        deletion_at=_epoch(meta.deletion_timestamp),
        status_reason=status.reason,
        status_message=status.message,
        disruption=disrupted.reason if disrupted else "",
        unschedulable_message=scheduled.message if scheduled and not is_scheduled else "",
        waiting_reason=waiting.reason if waiting else "",
        waiting_message=waiting.message if waiting else "",
        terminated=_termination_of(*broken) if broken else _termination_of(main),
    )


def _rank_phase(wire: WirePod, worker: _State, disrupted: _Condition | None) -> str:
    """A rank ends when its worker's container ends. Exit code 0 is a success only if nobody had told
    the worker to stop: one that is drained or deleted may save, and exit with 0 before its end."""
    ended = worker.terminated
    if ended is None:
        return wire.status.phase
    if ended.exit_code or wire.status.reason in _ENDED_BY_ITS_NODE:
        return FAILED
    told_at = _told_to_stop_at(wire.metadata, disrupted)
    # The API server's times have whole seconds. Within one second the order is not known.
    finished_before = ended.finished_at is not None and (
        told_at is None or int(ended.finished_at.timestamp()) < int(told_at)
    )
    return SUCCEEDED if told_at is None or finished_before else FAILED


def _told_to_stop_at(meta: ObjectMeta, disrupted: _Condition | None) -> float | None:
    """When somebody deleted the pod, or Kubernetes said that it would."""
    times = []
    if meta.deletion_timestamp is not None:
        grace = meta.deletion_grace_period_seconds or 0
        times.append(meta.deletion_timestamp.timestamp() - grace)
    if disrupted is not None:
        times.append(_epoch(disrupted.last_transition_time) or 0.0)
    return min(times, default=None)


def _main_state(containers: list[_ContainerStatus] | None) -> _State:
    """The state of the worker's container. A cluster may inject others, and the
    kubelet sorts by name."""
    for container in containers or ():
        if container.name == constants.WORKER_CONTAINER:
            return container.state
    return containers[0].state if containers else _NO_STATE


def _first_fault(status: _Status) -> _Waiting | None:
    for containers in (status.init_container_statuses, status.container_statuses):
        for container in containers or ():
            waiting = container.state.waiting
            if waiting is not None and waiting.reason not in ORDINARY_WAITING:
                return waiting
    return None


def _broken_init_container(wire: WirePod) -> tuple[_State, str] | None:
    """The first init container that failed, and its name, if the pod failed before its worker began. One
    that runs beside the worker is ended with the pod, so its end explains nothing."""
    if wire.status.phase != FAILED:
        return None
    stays = {each.name for each in wire.spec.init_containers or () if each.stays}
    for container in wire.status.init_container_statuses or ():
        ended = container.state.terminated
        if ended is not None and ended.exit_code and container.name not in stays:
            return container.state, container.name
    return None


def _termination_of(state: _State, init_container: str = "") -> Termination | None:
    ended = state.terminated
    if ended is None:
        return None
    return Termination(
        exit_code=ended.exit_code,
        signal=ended.signal,
        reason=ended.reason,
        message=ended.message,
        finished_at=_epoch(ended.finished_at),
        init_container=init_container,
    )


def _epoch(time: datetime | None) -> float | None:
    return time.timestamp() if time is not None else None


def number(text: str | None) -> int:
    """The number in a label, or -1. Anybody can write labels, so the text may be anything."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else -1
