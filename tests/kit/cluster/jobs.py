"""Steps of a test with one job: the acts of its owner, the failures of its ranks, and waits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.kit.api_server.resources import JOBS, Key
from tests.kit.cluster.workers import Worker
from tests.kit.recorder.history import Job, Json, Pod, State, phases

if TYPE_CHECKING:
    from tests.kit.cluster.cluster import Cluster

PATIENCE = 120.0
"""Default timeout of waits, in seconds of virtual time."""

USER = "researcher"

SPEC: Json = {
    "modelName": "materia",
    "datasetPath": "stargate_storage://datasets/materia",
    "epochs": 100,
    "acceleratorType": "stargate_silicon_v2",
    "resourceAllocation": {"nodes": 2, "gpuEquivalentsPerNode": 8, "memoryGbPerNode": 256},
    "optimizationStrategy": "distributed_adam_optimized",
    "checkpointIntervalEpochs": 5,
    "template": {"terminationGracePeriodSeconds": 2},
}


def manifest(name: str, nodes: int, **spec: Any) -> Json:
    """A job with a short grace period. `spec` replaces fields of its spec, or adds them."""
    body = {**copy.deepcopy(SPEC), **spec}
    body["resourceAllocation"] = {**body["resourceAllocation"], "nodes": nodes}
    return {"metadata": {"name": name}, "spec": body}


class JobStory:
    """One job, identified by its UID, not by its name."""

    def __init__(self, cluster: Cluster, name: str, uid: str) -> None:
        self.cluster = cluster
        self.name = name
        self.uid = uid

    @property
    def now(self) -> Job:
        """The current state in the API server."""
        found = self.cluster.recorder.state.job(self.uid)
        assert found is not None, f"{self.name} is gone\n{self.cluster.recorder.story()}"
        return found

    @property
    def history(self) -> list[Job]:
        writes = self.cluster.recorder.writes
        return [write.job for write in writes if write.uid == self.uid and write.job]

    @property
    def phases(self) -> list[str]:
        return phases(self.history)

    async def wait(
        self, condition: Callable[[Job], Any], expected: str, seconds: float = PATIENCE
    ) -> Job:
        def holds(state: State) -> Job | None:
            job = state.job(self.uid)
            return job if job and condition(job) else None

        found = await self.cluster.recorder.wait(holds, f"{self.name}: {expected}", seconds)
        assert found is not None
        return found

    async def wait_phase(self, phase: str, attempt: int = 0, seconds: float = PATIENCE) -> Job:
        def reached(job: Job) -> bool:
            return job.phase == phase and attempt in (0, job.attempt)

        which = f" of attempt {attempt}" if attempt else ""
        return await self.wait(reached, f"phase {phase}{which}", seconds)

    async def wait_condition(
        self, kind: str, status: str, reason: str = "", seconds: float = PATIENCE
    ) -> Json:
        def stands(job: Job) -> bool:
            found = condition(job, kind)
            return found.get("status") == status and reason in ("", found["reason"])

        expected = f"condition {kind}={status} {reason}"
        return condition(await self.wait(stands, expected, seconds), kind)

    async def wait_gone(self, seconds: float = PATIENCE) -> None:
        """Wait until the job and all its pods and Services are gone."""

        def gone(state: State) -> bool:
            objects = state.objects.values()
            return not any(
                write.uid == self.uid or _owned(write.object, self.uid)
                for write in objects
                if write.kind != "Event"
            )

        await self.cluster.recorder.wait(gone, f"{self.name} and its objects to be gone", seconds)

    async def wait_pods(
        self, condition: Callable[[list[Pod]], Any], expected: str, seconds: float = PATIENCE
    ) -> list[Pod]:
        def holds(state: State) -> tuple[list[Pod], ...]:
            found = state.pods_of(self.uid)
            return (found,) if condition(found) else ()

        found = await self.cluster.recorder.wait(holds, f"{self.name}: {expected}", seconds)
        return found[0]

    def pods(self, attempt: int = 0) -> list[Pod]:
        """The pods of `attempt`, by default the current one, ordered by rank."""
        job = self.cluster.recorder.state.job(self.uid)
        number = attempt or (job.attempt if job else 0)
        found = self.cluster.recorder.state.pods_of(self.uid)
        return sorted((pod for pod in found if pod.attempt == number), key=lambda pod: pod.rank)

    def rank(self, rank: int, attempt: int = 0) -> Pod:
        return next(pod for pod in self.pods(attempt) if pod.rank == rank)

    def patch(self, **spec: Any) -> None:
        self.cluster.server.patch(self._key, {"spec": spec}, agent=USER)

    def annotate(self, key: str, value: str) -> None:
        patch = {"metadata": {"annotations": {key: value}}}
        self.cluster.server.patch(self._key, patch, agent=USER)

    def suspend(self) -> None:
        self.patch(suspend=True)

    def resume(self) -> None:
        self.patch(suspend=False)

    def delete(self, propagation: str = "Background") -> None:
        self.cluster.server.delete(self._key, agent=USER, propagationPolicy=propagation)

    def kill(
        self, rank: int, code: int = 137, *, reason: str = "", message: str = "", late: float = 0.0
    ) -> Pod:
        """End the container of a rank, and let its kubelet report that."""
        pod = self.rank(rank)
        kubelets = self.cluster.kubelets
        kubelets.exit(pod.raw, code, reason=reason, message=message, late=late)
        return pod

    def oom_kill(self, rank: int) -> Pod:
        return self.kill(rank, reason="OOMKilled")

    def evict(self, rank: int) -> Pod:
        pod = self.rank(rank)
        words = "The node was low on resource: ephemeral-storage."
        self.cluster.kubelets.fail(pod.raw, reason="Evicted", message=words)
        return pod

    def finish(self) -> None:
        """Every rank exits with 0."""
        for pod in self.pods():
            self.cluster.kubelets.exit(pod.raw, 0)

    def delete_pod(self, rank: int, grace: int = 0) -> Pod:
        """Delete the pod as a user would."""
        pod = self.rank(rank)
        self.cluster.delete_pod(pod, grace)
        return pod

    def events(self, reason: str = "") -> list[Json]:
        found = self.cluster.recorder.state.all("Event")
        return [
            event
            for event in found
            if event["involvedObject"].get("uid") == self.uid and reason in ("", event["reason"])
        ]

    def worker(self, rank: int = 0, attempt: int = 0) -> Worker:
        return self.worker_of(self.rank(rank, attempt))

    def worker_of(self, pod: Pod) -> Worker:
        return Worker(self.cluster, pod)

    @property
    def _key(self) -> Key:
        return Key(JOBS, self.cluster.namespace, self.name)


def condition(job: Job, kind: str) -> Json:
    conditions = job.status.get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def _owned(found: Json, uid: str) -> bool:
    return any(each["uid"] == uid for each in found["metadata"].get("ownerReferences") or [])


def ending(job: Job, attempt: int = 1) -> Json:
    return next(each for each in job.attempts if each["number"] == attempt)
