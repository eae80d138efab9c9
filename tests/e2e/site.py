"""A namespace of the cluster with its shared folder, in which a test trains and checks the result.

The recorder sees every committed write. The shared folder is a folder of the host, so a test can read
and damage the workers' files.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.cluster.installation import KubectlError, kubectl
from stargate_lab.cluster.kind import KindCluster
from tests.e2e.deployment import DeployedOperator
from tests.e2e.nodes import Node
from tests.e2e.training import Training
from tests.kit.recorder.history import Job, Pod
from tests.kit.story import JobStory, Scene

SECONDS = 60.0
"""Time limit for steps that take seconds on two idle cores."""

PROGRAMS = Path(__file__).parent / "programs"
_CLAIM = "storage"
_VOLUMES = "/api/v1/persistentvolumes"


@dataclass
class Site(Scene):
    cluster: KindCluster
    operator: DeployedOperator

    @property
    def storage(self) -> Path:
        """The host's path of the workers' /storage."""
        return folder(self.cluster, self.namespace)

    def train(self, training: Training, name: str = "job", ranks: int = 4, **spec: Any) -> JobStory:
        """Create a job for the training. `spec` replaces fields of the training's spec."""
        training.provide(self.storage)
        return self.apply(name, ranks, **training.spec(ranks) | spec)

    def node(self, pod: Pod) -> Node:
        return Node(pod.node, self.api)

    def workers(self) -> list[Node]:
        return [Node(name, self.api) for name in self.cluster.workers]

    def processes_of(self, pods: list[Pod]) -> bool:
        """True if a process of these pods still runs, even if the pods are deleted."""
        names = [pod.name for pod in pods]
        return any(node.runs(self.namespace, names) for node in self.workers())

    def order(self, pod: Pod, what: str) -> None:
        """Send an order to the saboteur in the pod."""
        (self.storage / "orders" / pod.name).write_text(what)

    def logs(self, pod: str) -> str:
        return self.kubectl("logs", pod)

    def exec(self, pod: str, *command: str) -> str:
        return self.kubectl("exec", pod, "--", *command)

    def kubectl(self, *arguments: str) -> str:
        return kubectl(self.cluster, "-n", self.namespace, *arguments)

    def checkpoints(self, job: JobStory) -> Path:
        """The job's checkpoint folder, with all attempts."""
        return self.place(job.now.status["checkpoints"]["folder"]).parent

    def place(self, uri: str) -> Path:
        """The host's path for a URI that a worker reported."""
        return self.storage / uri.partition("://")[2]


@dataclass
class Undisturbed:
    """The result of each training without a fault, from one separate run."""

    _results: dict[str, Any] = field(default_factory=dict)

    def note(self, training: Training, result: Any) -> None:
        self._results[training.name] = result

    def result(self, site: Site, training: Training) -> Any:
        if training.name not in self._results:
            job = site.train(training, "undisturbed")
            ends(job)
            self.note(training, training.result(site.checkpoints(job)))
        return self._results[training.name]


def ends(job: JobStory, seconds: float = 3 * SECONDS) -> Job:
    done = job.wait(lambda job: job.finished, "its end", seconds)
    assert done.phase == "Succeeded", done.status
    return done


def trains_past(job: JobStory, epoch: int, attempt: int = 1, seconds: float = SECONDS) -> Job:
    """Wait for a complete checkpoint of that epoch or later, and for progress past that epoch."""

    def has(found: Job) -> bool:
        newest, progress = found.newest_complete, found.status.get("progress") or {}
        saved = newest is not None and int(newest["epoch"]) >= epoch
        return saved and found.attempt == attempt and int(progress.get("epoch", 0)) > epoch

    return job.wait(has, f"training past epoch {epoch} in attempt {attempt}", seconds)


def folder(cluster: KindCluster, namespace: str) -> Path:
    return cluster.directory / "storage" / namespace


@contextmanager
def a_namespace(cluster: KindCluster) -> Iterator[str]:
    """A namespace with restricted Pod Security and a claim on the shared folder."""
    name = f"test-{uuid4().hex[:8]}"
    make_folder(folder(cluster, name))
    _create_namespace(cluster.api, name)
    _create_claim(cluster.api, name)
    try:
        yield name
    finally:
        _free(cluster.api, name)


def make_folder(path: Path) -> None:
    """Make a folder in which any user may write: the workers' user does not exist on the host."""
    shutil.copytree(PROGRAMS, path / "programs", ignore=shutil.ignore_patterns("__pycache__"))
    for subfolder in (path / "orders", path / "checkpoints", path / "datasets"):
        subfolder.mkdir()
        subfolder.chmod(0o777)


def _create_namespace(api: Api, name: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})


def _create_claim(api: Api, namespace: str) -> None:
    shape = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    api.create(_VOLUMES, _volume(namespace))
    claim = {"metadata": {"name": _CLAIM}, "spec": {**shape, "volumeName": namespace}}
    api.create(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)


def _volume(namespace: str) -> Json:
    return {
        "metadata": {"name": namespace},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": _CLAIM},
            "hostPath": {"path": f"/stargate/storage/{namespace}", "type": "Directory"},
        },
    }


def _free(api: Api, namespace: str) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    api.delete(f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs")
    api.delete(core)
    api.delete(f"{core}/pods", {"gracePeriodSeconds": 1})
    api.delete(f"{_VOLUMES}/{namespace}")


def eventually(condition: Callable[[], Any], expected: str, seconds: float = SECONDS) -> Any:
    """Wait for a condition that the recorder does not see. Errors count as not yet true."""
    until = time.monotonic() + seconds
    while not (found := _asked(condition)):
        assert time.monotonic() < until, f"waited {seconds:g} s for {expected}"
        time.sleep(0.2)
    return found


def _asked(condition: Callable[[], Any]) -> Any:
    try:
        return condition()
    except (ApiError, KubectlError, OSError):
        return None
