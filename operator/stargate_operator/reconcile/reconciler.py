"""The life of a job, one pass at a time: observe, decide, describe, write, apply, record.

A pass is level-triggered. It acts on the present state, not on what has happened, so it may come late,
twice, or in another process than the pass before. The work queue runs one pass at a time for each job.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from stargate_operator.constants import Reasons
from stargate_operator.decide.chain import decide
from stargate_operator.decide.effects import Effects, effects
from stargate_operator.decide.observed import Contention, Observed
from stargate_operator.decide.plan import Plan
from stargate_operator.desired.environment import ReportTarget
from stargate_operator.desired.gang_objects import pod_group_name
from stargate_operator.desired.pods import Placement, PodStamp, pod_stamp
from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.node_tracker import NodeTracker
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.blueprint import Blueprint
from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.gang_index import GangIndex
from stargate_operator.model.ranks import ranks_of
from stargate_operator.placement.contention import GangContention
from stargate_operator.placement.placer import Placer
from stargate_operator.reconcile.deletion import JobDeletion
from stargate_operator.reconcile.event_recorder import EventRecorder
from stargate_operator.reconcile.gang_objects import GangObjects, NameTaken
from stargate_operator.reconcile.memory import Memory
from stargate_operator.reconcile.observe import ClusterView, observe
from stargate_operator.reconcile.pod_control import PodControl
from stargate_operator.reconcile.status_writer import StatusWriter
from stargate_operator.reconcile.unreadable_job import UnreadableJob
from stargate_operator.reports.listening import ListeningSince
from stargate_operator.reports.pending import PendingReports
from stargate_operator.status.describe import describe
from stargate_operator.status.events import events
from stargate_operator.status.urgency import Urgency, urgency
from stargate_operator.telemetry import metrics, status_counters
from stargate_types import StargateJob
from stargate_types.status import Phase, StargateJobStatus

log = structlog.get_logger(__name__)

WRITE_INTERVALS = {Urgency.SOON: 1.0, Urgency.LATER: 2.0}
"""Seconds between two status writes, if the second one brings only counts (SOON) or progress (LATER)."""


@dataclass(frozen=True)
class Dependencies:
    """The parts of a replica that the passes of all jobs share. The replica builds it when it leads."""

    client: Client
    jobs: Jobs
    catalog: Catalog
    pods: PodStore
    node_tracker: NodeTracker
    gang_objects: GangObjects
    pending: PendingReports
    listening: ListeningSince
    contention: GangContention
    placer: Placer
    event_recorder: EventRecorder
    target: Callable[[], ReportTarget]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    jitter: Jitter
    wake: Callable[[str], None]


class Reconciler:
    """Runs the passes of one job. The job's loop in the work queue owns it and calls `reconcile`."""

    def __init__(self, uid: str, dependencies: Dependencies, gang_index: GangIndex) -> None:
        self.uid = uid
        self._gang_index = gang_index
        self._dependencies = dependencies
        self.memory = Memory(dependencies.jitter)
        self._status_writer = StatusWriter(dependencies.client)
        self._pod_control = PodControl(
            dependencies.client,
            dependencies.pods,
            memory=self.memory,
            clock=dependencies.clock,
            jitter=dependencies.jitter,
            wake=lambda: dependencies.wake(uid),
        )
        self._unreadable_job = UnreadableJob(
            self._status_writer, dependencies.event_recorder, dependencies.clock
        )
        self._deletion = JobDeletion(
            uid,
            jobs=dependencies.jobs,
            pods=dependencies.pods,
            gang_objects=dependencies.gang_objects,
            pod_control=self._pod_control,
            status_writer=self._status_writer,
            node_tracker=dependencies.node_tracker,
            refusals=self.memory.deletes,
            clock=dependencies.clock,
        )
        self.done = False

    async def reconcile(self) -> datetime | None:
        """One pass. Returns the time of the next one at the latest; None if only a change wakes it."""
        unreadable = self._dependencies.jobs.unreadable(self.uid)
        if unreadable is not None:
            await self._unreadable_job.tell(unreadable)
            return None

        # A job that is gone or being deleted needs no decision: only its pods are left to delete.
        job = self._dependencies.jobs.get(self.uid)
        if job is None or job.metadata.deletion_timestamp is not None:
            return await self._delete(job)
        self.memory.last_seen = job

        # Observe. Notes first: the decision needs the moment when a failure was first seen.
        pods = self._pods(job)
        self._take_notes(job, pods[0])
        observed = self._observe(job, pods)

        # Decide and describe: pure functions of what was observed.
        plan = decide(observed)
        status = describe(observed, plan)

        # Write, before any effect: if this process dies now, the next pass does what the status says.
        written = await self._write(job, status)
        if written is None:
            return observed.now  # The job has changed meanwhile, so the plan is void: look again.
        if plan.delete_job:
            await self._status_writer.delete(written)

        # Record, after the write: events and counters tell only of what is in the status. And before the
        # effects: an effect that fails ends the pass, and the next one sees no change to tell of.
        self._record(job, written)

        # Apply what the written status says. Only a write changes it, so only then look again.
        after = observed if written is job else self._observe(written, self._pods(written))
        applied = await self._apply(after)
        self._wake_contenders(after, decided_by=observed.contention)
        return self._next(observed, plan, after, wanted=status, applied=applied)

    async def _delete(self, job: StargateJob | None) -> datetime | None:
        due = await self._deletion.go_on(job or self.memory.last_seen)
        if job is not None:
            self.memory.last_seen = job
            return due
        if due is None:
            self._forget()
        return due

    def _forget(self) -> None:
        self.done = self._dependencies.jobs.get(self.uid) is None
        self._dependencies.pending.forget(self.uid)
        for uid in self._dependencies.contention.gone(self.uid, self._dependencies.clock()):
            self._dependencies.wake(uid)

    def _take_notes(self, job: StargateJob, gang: Gang) -> None:
        now = self._dependencies.clock()
        self.memory.note_failures(gang, now)
        self.memory.note_timeout(job, now)

    def _pods(self, job: StargateJob) -> tuple[Gang, PreviousPods]:
        attempt = job.current_attempt
        return self._gang_index.gang(
            namespace=job.metadata.namespace,
            attempt=job.status.attempt,
            world_size=job.current_world_size,
            creating=self._pod_control.creating(job.status.attempt),
            succeeded=ranks_of(attempt.succeeded_ranks or "") if attempt else (),
        )

    def _observe(self, job: StargateJob, pods: tuple[Gang, PreviousPods]) -> Observed:
        dependencies = self._dependencies
        view = ClusterView(
            catalog=dependencies.catalog,
            contention=dependencies.contention.seen_by(job),
            native_gangs=dependencies.gang_objects.native_gangs,
            missing_gang_objects=dependencies.gang_objects.missing(job)
            if job.status.attempt
            else (),
            heard_since=dependencies.listening.since,
            node_health=dependencies.node_tracker.about,
            placer=dependencies.placer,
        )
        return observe(
            job,
            pods,
            memory=self.memory,
            reports=dependencies.pending.of(self.uid),
            view=view,
            now=dependencies.clock(),
        )

    async def _write(self, job: StargateJob, status: StargateJobStatus) -> StargateJob | None:
        """The job as it is after the write, or the same job if none is due. None on a conflict."""
        how = urgency(job.status, status)
        if how is Urgency.NOTHING or self._too_early(how) > 0:
            metrics.status_skipped()
            return job
        written = await self._status_writer.write(job, status)
        if written is None:
            await self._reread(job)
            return None
        self.memory.wrote_at = self._dependencies.monotonic()
        self._dependencies.jobs.put(written)
        # Only what stands in the written status may be acknowledged to the workers.
        self._dependencies.pending.mark_written(self.uid, written.status, before=job.status)
        return written

    def _too_early(self, how: Urgency) -> float:
        """Seconds until a write of this urgency is due. Zero or less if it is due now."""
        return self.memory.wrote_at + WRITE_INTERVALS.get(how, 0.0) - self._dependencies.monotonic()

    async def _reread(self, job: StargateJob) -> None:
        fresh = await self._status_writer.read(job)
        if fresh is None or fresh.uid != self.uid:
            self._dependencies.jobs.remove(self.uid)
        else:
            self._dependencies.jobs.put(fresh)

    async def _apply(self, observed: Observed) -> Effects:
        wanted = effects(observed)
        # Before any delete, creation stops: a late create would leave a pod that nobody deletes.
        await self._pod_control.turn_to(observed.job.status.attempt)
        if observed.phase is Phase.SUSPENDED or (observed.phase and observed.phase.finished):
            await self._pod_control.stop_creating()
        if not wanted.delete and not observed.deletes_wait:
            self.memory.deletes.end()
        self._pod_control.delete(wanted.delete)
        # The gang's Service and PodGroup come before its pods, which refer to them.
        await self._create(observed, wanted)
        await self._prune(observed)
        return wanted

    async def _prune(self, observed: Observed) -> None:
        """A refusal may not end the pass: nothing depends on the objects of earlier attempts."""
        refused, refusals = self.memory.prunes.trouble, self.memory.prunes
        if refused is not None and observed.now < refused.retry_at:
            return
        try:
            await self._dependencies.gang_objects.prune(observed.job)
        except ApiError as error:
            log.warning("object of an earlier attempt not deleted", **self.names, error=str(error))
            refusals.note(Reasons.DELETES_REFUSED, error.message, observed.now)
        else:
            refusals.end()

    async def _create(self, observed: Observed, wanted: Effects) -> None:
        job, blueprint = observed.job, observed.blueprint
        if not observed.gang.absent_ranks:
            self.memory.creates.end()
        try:
            for kind in wanted.gang_objects:
                await self._dependencies.gang_objects.create(kind, job)
        except NameTaken as taken:
            return self.memory.creates.note(taken.reason, taken.message, observed.now)
        except ApiError as error:
            return self.memory.creates.note(error.reason, error.message, observed.now)
        if wanted.create and isinstance(blueprint, Blueprint):
            self.memory.remember_blueprint(job.status.attempt, blueprint)
            self._pod_control.create(job, wanted.create, stamp=lambda: self._stamp(job, blueprint))
        return None

    def _stamp(self, job: StargateJob, blueprint: Blueprint) -> PodStamp:
        native = self._dependencies.gang_objects.native_gangs
        nodes = self._dependencies.node_tracker
        ready, unready = nodes.existing(each.name for each in job.status.avoided_nodes)
        return pod_stamp(
            job,
            blueprint,
            attempt=job.status.attempt,
            target=self._dependencies.target(),
            placement=Placement(
                avoided=ready,
                avoided_unready=unready,
                tolerated_seconds=nodes.tolerated_seconds,
                pod_group=pod_group_name(job, job.status.attempt) if native else None,
            ),
        )

    def _record(self, before: StargateJob, after: StargateJob) -> None:
        if before is after:
            return
        status_counters.count(before.status, after.status, self._dependencies.clock())
        for event in events(before.status, after.status):
            recorder, attempt = self._dependencies.event_recorder, after.status.attempt
            recorder.tell(after.metadata, event, attempt=attempt)

    def _wake_contenders(self, observed: Observed, *, decided_by: Contention) -> None:
        for uid in self._dependencies.contention.note(observed, decided_by):
            self._dependencies.wake(uid)

    @property
    def pods_waiting(self) -> int:
        return self._pod_control.waiting

    @property
    def names(self) -> dict[str, object]:
        """The fields that each log line about this job has."""
        job = self._dependencies.jobs.get(self.uid) or self.memory.last_seen
        if job is None:
            return {"job_uid": self.uid}
        return {"job": job.key, "attempt": job.status.attempt}

    def _next(
        self,
        observed: Observed,
        plan: Plan,
        after: Observed,
        *,
        wanted: StargateJobStatus,
        applied: Effects,
    ) -> datetime | None:
        """The soonest of these: the time of the plan, that of the effects, a status write that was put
        off, a retry.

        It is now if the phase or the attempt has changed: no event need come before the next step.
        """
        if _moved_on(observed.job.status, after.job.status):
            return observed.now
        memory = self.memory
        troubles = (memory.creates.trouble, memory.deletes.trouble, memory.prunes.trouble)
        times = [plan.wake_at, applied.look_again_at]
        times += [trouble.retry_at for trouble in troubles if trouble]
        put_off = urgency(after.job.status, wanted)
        if put_off in WRITE_INTERVALS:
            times.append(observed.now + timedelta(seconds=max(0.01, self._too_early(put_off))))
        return min((time for time in times if time and time > observed.now), default=None)


def _moved_on(before: StargateJobStatus, after: StargateJobStatus) -> bool:
    return (before.phase, before.attempt) != (after.phase, after.attempt)
