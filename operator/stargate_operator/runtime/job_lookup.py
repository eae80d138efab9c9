"""Answers the report server's questions about jobs from the jobs' statuses and the informers' caches."""

from collections.abc import Callable

from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.model.pod import Pod
from stargate_operator.model.scope import Scope
from stargate_operator.reconcile.work_queue import WorkQueue
from stargate_operator.reports.job_lookup import JobView
from stargate_types import StargateJob
from stargate_types.status import Checkpoint


class CachedJobLookup:
    """Implements `JobLookup` over the informers' caches and the work queue."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        pods: PodStore,
        work_queue: WorkQueue,
        leads: Callable[[], bool],
        scope: Scope,
    ) -> None:
        self._jobs = jobs
        self._pods = pods
        self._work_queue = work_queue
        self._leads = leads
        self._scope = scope

    def is_leader(self) -> bool:
        return self._leads()

    def serves(self, namespace: str) -> bool:
        # See docs/decisions/0034-reports-out-of-scope-get-503.md.
        return namespace in self._scope

    def pod(self, pod_uid: str) -> Pod | None:
        return self._pods.by_uid(pod_uid)

    def is_gone(self, pod_uid: str) -> bool:
        return self._pods.is_gone(pod_uid)

    def wake(self, job_uid: str) -> None:
        self._work_queue.wake(job_uid)

    def progressed(self, job_uid: str) -> None:
        self._work_queue.wake_soon(job_uid)

    def view(self, job_uid: str) -> JobView | None:
        job = self._jobs.get(job_uid)
        if job is None:
            return None
        return JobView(
            namespace=job.metadata.namespace,
            name=job.metadata.name,
            attempt=job.status.attempt,
            epochs=job.spec.epochs,
            world_size=job.current_world_size,
            stop=_stops(job),
            checkpoint_folder=_folder(job),
            restored_from=_restored_from(job),
            checkpoints=_checkpoints(job),
            report_timeout=job.report_timeout,
            steps=job.spec.steps,
        )


def _stops(job: StargateJob) -> bool:
    phase = job.status.phase
    ended = job.current_attempt is not None and job.current_attempt.end is not None
    deleted = job.metadata.deletion_timestamp is not None
    return ended or deleted or (phase is not None and phase.finished)


def _folder(job: StargateJob) -> str:
    return (job.status.checkpoints and job.status.checkpoints.folder) or ""


def _restored_from(job: StargateJob) -> str:
    restored = job.status.checkpoints and job.status.checkpoints.restored_from
    return restored.uri if restored else ""


def _checkpoints(job: StargateJob) -> tuple[Checkpoint, ...]:
    return tuple(job.status.checkpoints.history) if job.status.checkpoints else ()
