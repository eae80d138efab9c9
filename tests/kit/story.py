"""Steps of a test: the acts of users and nodes, and waits. They use none of the operator's internals.

Waits use the recorder, which sees every committed state, so they notice even a phase of a millisecond.
"""

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.cluster.kwok_config import ABANDONED
from stargate_lab.process.operator_process import OperatorProcess
from tests.kit.recorder import Recorder
from tests.kit.recorder.history import Job, Json, Pod, State, Write, phases
from tests.kit.recorder.report import describe
from tests.kit.recorder.watch import Expected
from tests.kit.worker import Worker

PATIENCE = 40.0
"""Default timeout of waits, in seconds. A step takes one or two on an idle machine, and an operator's
restart five more."""

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


def manifest(name: str = "job", nodes: int = 2, **spec: Any) -> Json:
    """A job with a short grace period. `spec` replaces fields of its spec, or adds them."""
    body = {**copy.deepcopy(SPEC), **spec}
    body["resourceAllocation"]["nodes"] = nodes
    return {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": {"name": name},
        "spec": body,
    }


@dataclass
class Scene:
    """A namespace, its recorder, and an administrator's access to the API server."""

    api: Api
    namespace: str
    recorder: Recorder

    @property
    def jobs(self) -> str:
        return f"/apis/stargate.dev/v1alpha1/namespaces/{self.namespace}/stargatejobs"

    @property
    def core(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def apply(self, name: str = "job", nodes: int = 2, **spec: Any) -> "JobStory":
        created = self.api.create(self.jobs, manifest(name, nodes, **spec))
        return JobStory(self, name, created["metadata"]["uid"])

    def wait(
        self, condition: Callable[[State], Any], expected: Expected, seconds: float = PATIENCE
    ) -> Any:
        return self.recorder.wait(condition, seconds, expected)

    def events(self) -> list[Json]:
        return self.recorder.look(lambda state: state.all("Event"))

    def pod(self, name: str) -> Json:
        return self.api.get(f"{self.core}/pods/{name}")


@dataclass
class Story(Scene):
    """A scene with a local operator process."""

    operator: OperatorProcess


@dataclass
class JobStory:
    """One job, identified by its UID, not by its name."""

    story: Scene
    name: str
    uid: str

    @property
    def path(self) -> str:
        return f"{self.story.jobs}/{self.name}"

    @property
    def now(self) -> Job:
        """The current state in the API server."""
        return Job(self.story.api.get(self.path))

    @property
    def history(self) -> list[Job]:
        """All committed versions of the job."""
        writes = self.story.recorder.writes()
        return [write.job for write in writes if write.uid == self.uid and write.job]

    @property
    def phases(self) -> list[str]:
        return phases(self.history)

    def wait(
        self, condition: Callable[[Job], Any], expected: str, seconds: float = PATIENCE
    ) -> Job:
        def holds(state: State) -> Job | None:
            job = state.job(self.uid)
            return job if job and condition(job) else None

        found: Job = self.story.wait(holds, f"{self.name}: {expected}", seconds)
        return found

    def wait_phase(self, phase: str, attempt: int = 0, seconds: float = PATIENCE) -> Job:
        def reached(job: Job) -> bool:
            return job.phase == phase and attempt in (0, job.attempt)

        which = f" of attempt {attempt}" if attempt else ""
        return self.wait(reached, f"phase {phase}{which}", seconds)

    def wait_condition(
        self, kind: str, status: str, reason: str = "", seconds: float = PATIENCE
    ) -> Json:
        def stands(job: Job) -> bool:
            found = condition(job, kind)
            return found.get("status") == status and reason in ("", found["reason"])

        return condition(self.wait(stands, f"condition {kind}={status} {reason}", seconds), kind)

    def wait_gone(self, seconds: float = 60.0) -> None:
        """Wait until the job and all its pods and Services are gone."""

        def left(state: State) -> list[Write]:
            ours = [w for w in state.objects.values() if w.kind != "Event"]
            return [w for w in ours if w.uid == self.uid or _owned(w.object, self.uid)]

        def said(state: State) -> str:
            start = self.story.recorder.writes()[0].at
            lines = [f"  {describe(write, start)}" for write in left(state)]
            return "\n".join([f"{self.name} and its objects to be gone; still there:", *lines])

        self.story.wait(lambda state: not left(state), said, seconds)

    def pods(self, attempt: int = 0) -> list[Pod]:
        """The pods of `attempt`, by default the current one, ordered by rank."""

        def found(state: State) -> list[Pod]:
            job = state.job(self.uid)
            number = attempt or (job.attempt if job else 0)
            return [pod for pod in state.pods_of(self.uid) if pod.attempt == number]

        return sorted(self.story.recorder.look(found), key=lambda pod: pod.rank)

    def rank(self, rank: int, attempt: int = 0) -> Pod:
        """The pod of a rank. It may appear after its job, because pods have their own watch."""

        def found(state: State) -> Pod | None:
            del state
            return next((pod for pod in self.pods(attempt) if pod.rank == rank), None)

        pod: Pod = self.story.wait(found, f"{self.name}: rank {rank}")
        return pod

    def wait_pods(self, condition: Callable[[list[Pod]], Any], expected: str) -> list[Pod]:
        def holds(state: State) -> tuple[list[Pod], ...]:
            found = state.pods_of(self.uid)
            return (found,) if condition(found) else ()

        found: tuple[list[Pod]] = self.story.wait(holds, f"{self.name}: {expected}")
        return found[0]

    def patch(self, **spec: Any) -> None:
        self.story.api.patch(self.path, {"spec": spec})

    def suspend(self) -> None:
        self.patch(suspend=True)

    def resume(self) -> None:
        self.patch(suspend=False)

    def delete(self, propagation: str = "Background") -> None:
        self.story.api.delete(self.path, {"propagationPolicy": propagation})

    def kill(
        self, rank: int, exit_code: int = 137, *, reason: str = "Error", message: str = ""
    ) -> Pod:
        """End the container of a rank, and let its kubelet report that."""
        pod = self.rank(rank)
        self.exits(pod, exit_code, reason=reason, message=message)
        return pod

    def oom_kill(self, rank: int) -> Pod:
        return self.kill(rank, 137, reason="OOMKilled")

    def abandon(self, pod: Pod) -> None:
        """Treat the pod's node as dead: no simulated kubelet acts on this pod any more."""
        key, _, value = ABANDONED.partition("=")
        left = {"metadata": {"annotations": {key: value}}}
        self.story.api.patch(f"{self.story.core}/pods/{pod.name}", left)

    def finish(self) -> None:
        """Every rank exits with 0."""
        with ThreadPoolExecutor() as kubelets:
            done = kubelets.map(lambda pod: self.exits(pod, 0, reason="Completed"), self.pods())
            list(done)

    def exits(
        self,
        pod: Pod,
        exit_code: int,
        *,
        reason: str = "Error",
        message: str = "",
        at: datetime | None = None,
    ) -> None:
        """Let the kubelet report that the pod's container ended now, or at the earlier time `at`."""
        now = f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        ended = {"exitCode": exit_code, "reason": reason, "message": message, "finishedAt": now}
        self.set_pod_status(
            pod,
            {
                "phase": "Failed" if exit_code else "Succeeded",
                "conditions": [
                    {"type": kind, "status": "False", "lastTransitionTime": now}
                    for kind in ("Ready", "ContainersReady")
                ],
                "containerStatuses": [_container(pod, {"terminated": ended})],
            },
        )

    def set_pod_status(self, pod: Pod, status: Json) -> None:
        self.story.api.patch(f"{self.story.core}/pods/{pod.name}/status", {"status": status})

    def delete_pod(self, rank: int, grace: int = 0) -> Pod:
        """Delete the pod as a user would."""
        pod = self.rank(rank)
        path = f"{self.story.core}/pods/{pod.name}"
        self.story.api.delete(path, {"gracePeriodSeconds": grace})
        return pod

    def worker(self, rank: int = 0, attempt: int = 0) -> Worker:
        return Worker(self.story.api, self.rank(rank, attempt))

    def events(self, reason: str = "") -> list[Json]:
        found = [e for e in self.story.events() if e["involvedObject"].get("uid") == self.uid]
        return [event for event in found if reason in ("", event["reason"])]


def free(api: Api, namespace: str) -> None:
    """Delete the namespace. Its nodes are free immediately, so the next test need not wait."""
    core = f"/api/v1/namespaces/{namespace}"
    api.delete(f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs")
    api.delete(core)
    api.delete(f"{core}/pods", {"gracePeriodSeconds": 0})


def condition(job: Job, kind: str) -> Json:
    conditions = job.status.get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def exists(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True


def eventually(condition: Callable[[], Any], expected: str, seconds: float = PATIENCE) -> Any:
    """Wait for a condition that the recorder does not see: logs, metrics, other namespaces."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds:g} s for {expected}"
        time.sleep(0.05)
    return found


def _owned(found: Mapping[str, Any], uid: str) -> bool:
    return any(each["uid"] == uid for each in found["metadata"].get("ownerReferences") or [])


def _container(pod: Pod, state: Json) -> Json:
    return {
        "name": "worker",
        "image": pod.raw["spec"]["containers"][0]["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }


__all__ = ["JobStory", "Scene", "Story", "condition", "eventually", "exists", "manifest"]
