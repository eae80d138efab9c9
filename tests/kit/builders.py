"""Builders with defaults: `job(nodes=4).running()`, `pod(rank=2).oom_killed()`, `observed(…)`.

A test states only the values that it is about. Builders hold no state and read no clock: every test
happens at NOW, and `at(-3)` is three seconds earlier.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from stargate_operator.decide.chain import decide
from stargate_operator.decide.observed import (
    ClusterFacts,
    Contention,
    Listening,
    Notes,
    Observed,
    Trouble,
)
from stargate_operator.decide.plan import Plan
from stargate_operator.desired.environment import ReportTarget
from stargate_operator.model.assessment import Assessment
from stargate_operator.model.blueprint import Blueprint, Refusal, resolve
from stargate_operator.model.gang_index import observe_gang
from stargate_operator.model.heartbeats import Heartbeats
from stargate_operator.model.node_health import NodeHealth, UnreadyNode
from stargate_operator.model.pod import FAILED, PENDING, RUNNING, SUCCEEDED, Pod, Termination
from stargate_operator.model.reports import (
    CheckpointReport,
    CheckpointState,
    ProgressReport,
    Reports,
)
from stargate_operator.status.describe import describe
from stargate_types import (
    AcceleratorClass,
    AcceleratorClassSpec,
    ComputeBlock,
    ComputeBlockSpec,
    ComputeBlockStatus,
    StargateJob,
    StargateJobSpec,
    StargateJobStatus,
    StargateRuntime,
    StargateRuntimeSpec,
)
from stargate_types.base import INSTALLED_SPEC, ObjectMeta
from stargate_types.job import ResourceAllocation
from stargate_types.job_policies import CheckpointPolicy, Hang, RestartPolicy, Scheduling
from stargate_types.position import Position
from stargate_types.runtime import RuntimeCheckpoint
from stargate_types.status import (
    AttemptStatus,
    AvoidedNode,
    Cause,
    Checkpoint,
    Checkpoints,
    Phase,
    RestoredFrom,
    Workers,
)
from stargate_types.worker_template import WorkerTemplate

Catalogued = TypeVar("Catalogued", StargateRuntime, AcceleratorClass)

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
JOB_UID = "8d2b5c1e-0000-4000-8000-00000000cafe"
NAMESPACE = "team-a"
RUNTIME_ID = "default/runtime-uid/1"
CLASS_ID = "stargate-silicon-v2/class-uid/1"
BEGAN, RAN = -100.0, -90.0
"""Seconds from NOW: when the attempt under test was decided, and when its gang ran."""


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class GivenPod(Pod, frozen=True):
    """A pod with methods that change its state."""

    def but(self, **changes: Any) -> "GivenPod":
        return msgspec.structs.replace(self, **changes)

    def scheduled(self, seconds: float = BEGAN) -> "GivenPod":
        node = self.node or f"node-{self.rank}"
        return self.but(node=node, scheduled_at=at(seconds).timestamp(), unschedulable_message="")

    def running(self) -> "GivenPod":
        return self.scheduled().but(phase=RUNNING, ready=True)

    def succeeded(self) -> "GivenPod":
        return self._ended(SUCCEEDED, Termination(exit_code=0, finished_at=NOW.timestamp()))

    def failed(
        self, exit_code: int = 1, *, finished: float = 0.0, reason: str = "Error", log: str = ""
    ) -> "GivenPod":
        ended = Termination(exit_code, reason=reason, message=log, finished_at=_second(finished))
        return self._ended(FAILED, ended)

    def oom_killed(self, *, finished: float = 0.0, log: str = "") -> "GivenPod":
        return self.failed(137, finished=finished, reason="OOMKilled", log=log)

    def killed(self, signal: int = 9, *, finished: float = 0.0) -> "GivenPod":
        return self.failed(128 + signal, finished=finished)

    def evicted(self) -> "GivenPod":
        message = "The node was low on resource: ephemeral-storage."
        return self._ended(FAILED, None).but(status_reason="Evicted", status_message=message)

    def preempted(self) -> "GivenPod":
        return self._ended(FAILED, None).but(disruption="PreemptionByScheduler")

    def lost(self) -> "GivenPod":
        return self._ended(FAILED, None).but(disruption="DeletionByTaintManager")

    def rejected(self, reason: str = "UnexpectedAdmissionError") -> "GivenPod":
        return self._ended(FAILED, None).but(status_reason=reason)

    def deleted(self) -> "GivenPod":
        """Deleted, but within its grace period."""
        return self.but(deleting=True)

    def unschedulable(self, message: str = "0/4 nodes are available") -> "GivenPod":
        return self.but(unschedulable_message=message)

    def waiting(self, reason: str, message: str = "") -> "GivenPod":
        return self.scheduled().but(waiting_reason=reason, waiting_message=message)

    def _ended(self, phase: str, how: Termination | None) -> "GivenPod":
        return self.scheduled().but(phase=phase, ready=False, terminated=how)


def _second(seconds: float) -> float:
    """The timestamp in whole seconds, like `finishedAt`."""
    return float(int(at(seconds).timestamp()))


def pod(rank: int = 0, *, attempt: int = 1, job_name: str = "train") -> GivenPod:
    name = f"{job_name}-{attempt}-{rank}"
    return GivenPod(
        name=name,
        namespace=NAMESPACE,
        uid=f"uid-of-{name}",
        resource_version=1,
        job_uid=JOB_UID,
        job_name=job_name,
        attempt=attempt,
        rank=rank,
        owner_uid=JOB_UID,
        phase=PENDING,
    )


def gang(size: int, *exceptions: Pod, attempt: int = 1) -> list[Pod]:
    """All ranks run, except `exceptions`."""
    by_rank = {each.rank: each for each in exceptions}
    return [by_rank.get(rank) or pod(rank, attempt=attempt).running() for rank in range(size)]


def starting_gang(size: int, *exceptions: Pod, attempt: int = 1) -> list[Pod]:
    """All ranks wait for a node, except `exceptions`."""
    by_rank = {each.rank: each for each in exceptions}
    return [by_rank.get(rank) or pod(rank, attempt=attempt) for rank in range(size)]


def without(pods: Iterable[Pod], *ranks: int) -> list[Pod]:
    return [each for each in pods if each.rank not in ranks]


def attempt(
    number: int = 1,
    *,
    nodes: int = 4,
    start: float = BEGAN,
    ran: float | None = None,
    ended: float | None = None,
    cause: Cause | None = None,
    rank: int | None = None,
    resolved: bool = True,
) -> AttemptStatus:
    return AttemptStatus(
        number=number,
        start=at(start),
        running=None if ran is None else at(ran),
        end=None if ended is None else at(ended),
        cause=cause,
        rank=rank,
        world_size=nodes,
        runtime=RUNTIME_ID if resolved else None,
        accelerator_class=CLASS_ID if resolved else None,
    )


def uri(epoch: int, attempt: int = 1, step: int | None = None) -> str:
    mid_epoch = "" if step is None else f"-step-{step}"
    return f"s3://bucket/train/attempt-{attempt}/epoch-{epoch}{mid_epoch}"


def checkpoint(
    epoch: int,
    *,
    step: int | None = None,
    attempt: int = 1,
    time: float = -50.0,
    state: CheckpointState = "Complete",
) -> Checkpoint:
    return Checkpoint(
        epoch=epoch,
        step=step,
        uri=uri(epoch, attempt, step),
        time=at(time),
        size_bytes=1_000_000,
        state=state,
        attempt=attempt,
    )


class GivenJob(StargateJob):
    """A job with methods that set its spec and status."""

    def but(self, **spec: Any) -> "GivenJob":
        return self.model_copy(update={"spec": self.spec.model_copy(update=spec)})

    def having(self, **status: Any) -> "GivenJob":
        return self.model_copy(update={"status": self.status.model_copy(update=status)})

    def now(self, status: StargateJobStatus) -> "GivenJob":
        return self.model_copy(update={"status": status})

    def starting(self, number: int = 1) -> "GivenJob":
        """Pods of this attempt may be created."""
        return self._in(Phase.STARTING, attempt(number, nodes=self.current_world_size))

    def running(self, number: int = 1, *, since: float = RAN) -> "GivenJob":
        return self._in(Phase.RUNNING, attempt(number, nodes=self.current_world_size, ran=since))

    def restarting(self, cause: Cause = Cause.EXIT, *, ended: float = 0.0) -> "GivenJob":
        """Attempt 1 ended with `cause`. Attempt 2 is decided, but may not create pods yet."""
        return self._after(Phase.RESTARTING, cause, ended)

    def queued(self, cause: Cause = Cause.YIELDED, *, ended: float = 0.0) -> "GivenJob":
        """Attempt 1 released its nodes; attempt 2 waits for nodes."""
        return self._after(Phase.QUEUED, cause, ended)

    def hangs_after(self, seconds: int) -> "GivenJob":
        """A hang is `seconds` of silence."""
        return self.but(hang=Hang(report_timeout_seconds=seconds))

    def avoiding(self, *names: str, until: float = 600.0) -> "GivenJob":
        avoided = [AvoidedNode(name=name, until=at(until)) for name in names]
        return self.having(avoided_nodes=avoided)

    def suspended(self, *, ended: float | None = -10.0) -> "GivenJob":
        """Suspended during attempt 1, or before any attempt if `ended` is None."""
        found = self.but(suspend=True).having(phase=Phase.SUSPENDED)
        if ended is None:
            return found
        over = attempt(nodes=self.current_world_size, ran=RAN, ended=ended, cause=Cause.SUSPENDED)
        return found.having(attempt=1, attempts=[over], start_time=at(BEGAN))

    def resumed(self) -> "GivenJob":
        return self.but(suspend=False)

    def succeeded(self) -> "GivenJob":
        return self._finished(Phase.SUCCEEDED, Cause.SUCCEEDED)

    def failed(self) -> "GivenJob":
        return self._finished(Phase.FAILED, Cause.EXIT)

    def saved(self, *epochs: int, attempt: int = 1) -> "GivenJob":
        """The status has complete checkpoints of these epochs. The highest is the newest."""
        history = [checkpoint(epoch, attempt=attempt) for epoch in sorted(epochs, reverse=True)]
        return self.having(checkpoints=Checkpoints(latest=history[0], history=history))

    def restored(self, epoch: int | None, place: str, step: int | None = None) -> "GivenJob":
        """The current attempt resumed from this checkpoint."""
        point = RestoredFrom(epoch=epoch, step=step, uri=place)
        found = self.status.checkpoints or Checkpoints()
        return self.having(checkpoints=found.model_copy(update={"restored_from": point}))

    def unforgiven(self, failures: int) -> "GivenJob":
        return self.having(failures_since_checkpoint=failures)

    def _in(self, phase: Phase, current: AttemptStatus) -> "GivenJob":
        number = current.number
        earlier = [
            attempt(
                past,
                nodes=self.current_world_size,
                start=-200,
                ended=BEGAN,
                cause=Cause.EXIT,
                rank=0,
            )
            for past in range(1, number)
        ]
        return self.having(
            phase=phase,
            attempt=number,
            attempts=[*earlier, current],
            restarts=number - 1,
            start_time=at(BEGAN),
            accounted_time=at(-10),
            workers=Workers(desired=self.current_world_size),
        )

    def _after(self, phase: Phase, cause: Cause, ended: float) -> "GivenJob":
        size = self.current_world_size
        over = attempt(nodes=size, ran=RAN, ended=ended, cause=cause, rank=0)
        coming = attempt(2, nodes=size, start=ended, resolved=False)
        return self.having(
            phase=phase, attempt=2, attempts=[over, coming], start_time=at(BEGAN), restarts=1
        )

    def _finished(self, phase: Phase, cause: Cause) -> "GivenJob":
        over = attempt(nodes=self.current_world_size, ran=RAN, ended=-10, cause=cause)
        return self.having(phase=phase, attempt=1, attempts=[over], completion_time=at(-10))


def job(
    name: str = "train",
    *,
    nodes: int = 4,
    epochs: int = 100,
    max_restarts: int = 10,
    start_timeout: int = 600,
    retain: int = 3,
    restore_from: str | None = None,
    checkpoint_uri: str | None = None,
    template: WorkerTemplate | None = None,
    **spec: Any,
) -> GivenJob:
    """A job on four nodes. `spec` takes any other field of the spec by its name."""
    wanted: dict[str, Any] = {
        "model_name": "stargate-materia-v3",
        "dataset_path": "stargate_storage://datasets/materia-v3",
        "epochs": epochs,
        "accelerator_type": "stargate_silicon_v2",
        "resource_allocation": ResourceAllocation(
            nodes=nodes, gpu_equivalents_per_node=8, memory_gb_per_node=256
        ),
        "optimization_strategy": "distributed_adam_optimized",
        "checkpoint_interval_epochs": 5,
        "template": template,
        "checkpoint": CheckpointPolicy(
            uri=checkpoint_uri, retain=retain, restore_from=restore_from
        ),
        "restart_policy": RestartPolicy(max_restarts=max_restarts),
        "scheduling": Scheduling(start_timeout_seconds=start_timeout),
    }
    return GivenJob(
        metadata=ObjectMeta(
            name=name,
            namespace=NAMESPACE,
            uid=JOB_UID,
            resource_version="1",
            generation=1,
            creation_timestamp=at(-300),
        ),
        spec=StargateJobSpec(**(wanted | spec)),
    )


def runtime(name: str = "default", **spec: Any) -> StargateRuntime:
    wanted: dict[str, Any] = {
        "is_default": name == "default",
        "image": "trainer:1",
        "checkpoint": RuntimeCheckpoint(uri_prefix="s3://bucket/checkpoints"),
    }
    return StargateRuntime(
        metadata=ObjectMeta(name=name, uid="runtime-uid", generation=1),
        spec=StargateRuntimeSpec(**(wanted | spec)),
    )


def accelerator_class(name: str = "stargate-silicon-v2", **spec: Any) -> AcceleratorClass:
    wanted: dict[str, Any] = {
        "accelerator_type": "stargate_silicon_v2",
        "resource_name": "stargate.dev/silicon-v2",
        "watts_per_device": 500,
    }
    return AcceleratorClass(
        metadata=ObjectMeta(name=name, uid="class-uid", generation=1),
        spec=AcceleratorClassSpec(**(wanted | spec)),
    )


def brought(given: Catalogued) -> Catalogued:
    """The object as an install applies it, marked as a default."""
    meta = given.metadata
    marked = {"annotations": {INSTALLED_SPEC: "{}"}, "uid": f"{meta.name}-brought"}
    return given.model_copy(update={"metadata": meta.model_copy(update=marked)})


def compute_block(
    name: str = "cluster", *, told: ComputeBlockStatus | None = None, **spec: Any
) -> ComputeBlock:
    """A block of all nodes, unless `spec` says otherwise. Its status is `told`, or empty."""
    return ComputeBlock(
        metadata=ObjectMeta(name=name, uid=f"{name}-uid", generation=1, resource_version="1"),
        spec=ComputeBlockSpec(**spec),
        status=told or ComputeBlockStatus(),
    )


def blueprint(
    job: StargateJob,
    *,
    runtime_: StargateRuntime | None = None,
    class_: AcceleratorClass | None = None,
) -> Blueprint:
    found = resolve(job, runtimes=[runtime_ or runtime()], classes=[class_ or accelerator_class()])
    assert isinstance(found, Blueprint), found
    return found


TARGET = ReportTarget(base_url="https://reports.stargate.svc:8443/", ca_bundle="-----CA-----")


def progress_report(
    epoch: int | None,
    *,
    attempt: int = 1,
    step: int | None = None,
    total_steps: int | None = None,
    **metrics: float,
) -> ProgressReport:
    return ProgressReport(
        attempt=attempt,
        rank=0,
        epoch=epoch,
        step=step,
        metrics=tuple(metrics.items()),
        at=NOW,
        total_steps=total_steps,
    )


def checkpoint_report(
    epoch: int,
    state: CheckpointState = "Complete",
    *,
    step: int | None = None,
    attempt: int = 1,
    place: str | None = None,
    seconds: float = 0.0,
) -> CheckpointReport:
    return CheckpointReport(
        attempt=attempt,
        position=Position(epoch, step),
        uri=place or uri(epoch, attempt, step),
        size_bytes=1_000_000,
        state=state,
        at=at(seconds),
    )


def heartbeats(*beats: tuple[int, float] | tuple[int, float, int]) -> Heartbeats:
    """The heartbeats after these reports, in order. A report is a rank, a time and perhaps a step."""
    found = Heartbeats()
    for rank, when, *step in beats:
        found.beat(rank, at(when), step[0] if step else None)
    return found


def unready(
    *names: str,
    since: float = -60.0,
    silent: bool = True,
    outage: bool = False,
    ready_again: Iterable[str] = (),
) -> NodeHealth:
    """These nodes hold pods of the job and are not ready. By default they count as lost."""
    nodes = {name: UnreadyNode(name, at(since), silent) for name in names}
    return NodeHealth(nodes, frozenset(ready_again), outage)


def observed(
    job: StargateJob,
    pods: Iterable[Pod] = (),
    *,
    now: datetime = NOW,
    blueprint_: Blueprint | Refusal | None = None,
    creating: Iterable[int] = (),
    progress: ProgressReport | None = None,
    checkpoints: Iterable[CheckpointReport] = (),
    epoch_seconds: float | None = None,
    step_seconds: float | None = None,
    trouble: Trouble | None = None,
    older: str | None = None,
    older_is_short: bool = True,
    whole: str | None = None,
    alone: bool = False,
    released_at: datetime | None = None,
    failed_since: datetime | None = None,
    heartbeats: Heartbeats | None = None,
    heard_since: float = -1000.0,
    node_health: NodeHealth | None = None,
    pue: float = 1.0,
    never_fits: str = "",
    has_room: bool = False,
    native_gangs: bool = False,
    missing_gang_objects: tuple[str, ...] = (),
) -> Observed:
    current, previous_pods = observe_gang(
        pods,
        namespace=job.metadata.namespace,
        attempt=job.status.attempt,
        world_size=job.current_world_size,
        creating=frozenset(creating),
    )
    return Observed(
        job=job,
        now=now,
        placement=Assessment(blueprint_ or blueprint(job), has_room, never_fits),
        gang=current,
        previous_pods=previous_pods,
        reports=Reports(
            progress,
            tuple(checkpoints),
            epoch_seconds,
            step_seconds,
            heartbeats or Heartbeats(),
        ),
        contention=Contention(older, older_is_short, whole, alone, released_at),
        node_health=node_health or NodeHealth(),
        listening=Listening(at(heard_since), report_interval=10.0),
        notes=Notes(trouble=trouble, failed_since=failed_since),
        cluster=ClusterFacts(native_gangs, missing_gang_objects, pue),
    )


def planned(job: StargateJob, pods: Iterable[Pod] = (), **given: Any) -> Plan:
    return decide(observed(job, pods, **given))


def described(job: StargateJob, pods: Iterable[Pod] = (), **given: Any) -> StargateJobStatus:
    """The status that one reconcile writes."""
    seen = observed(job, pods, **given)
    return describe(seen, decide(seen))
