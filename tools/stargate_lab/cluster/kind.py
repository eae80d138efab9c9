"""A cluster of real kubelets: kind, in Docker containers on this machine.

The node image is the one that the release of kind pins by digest; `KIND_NODE_IMAGE` names another.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.host.docker import docker
from stargate_lab.host.output import last_lines
from stargate_lab.host.paths import REPO
from stargate_lab.host.waiting import wait_until
from stargate_lab.toolchain import binaries

WAIT = "180s"
ANSWER_SECONDS = 60.0
RESOURCE = "stargate.dev/silicon-v2"
_LOADED = "stargate.dev/image"
"""A label on the node's record of an image; it disappears together with the image."""


class KindError(RuntimeError):
    """kind failed; the message holds the end of its output."""


@dataclass(frozen=True)
class KindCluster:
    """`config` is kind's file, whose host paths are relative to the repository."""

    config: Path
    name: str
    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "kubeconfig.yaml"

    @property
    def api(self) -> Api:
        return Api.of(self.kubeconfig)

    @property
    def control_plane(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def workers(self) -> list[str]:
        """Names of the worker nodes; their containers have the same names."""
        return sorted(name for name in self.nodes if name != self.control_plane)

    @property
    def nodes(self) -> list[str]:
        """Names of all nodes; empty if there is no such cluster."""
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        return docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

    def ensure(self) -> None:
        """Creates the cluster, or starts its nodes again: the machine may have been off."""
        if not self.nodes:
            self.create()
            return
        docker("start", *self.nodes)
        self._kind("export", "kubeconfig", "--kubeconfig", str(self.kubeconfig))
        self._await_answer()

    def create(self) -> None:
        """Deletes a cluster that a killed run has left, and creates a new one."""
        self.delete()
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        image = os.environ.get("KIND_NODE_IMAGE")
        self._kind(
            "create",
            "cluster",
            *("--config", str(self.config), "--kubeconfig", str(self.kubeconfig), "--wait", WAIT),
            *(("--image", image) if image else ()),
        )

    def delete(self) -> None:
        """Idempotent."""
        self._kind("delete", "cluster", "--kubeconfig", str(self.kubeconfig))

    def load(self, image: str, nodes: Sequence[str]) -> list[str]:
        """Copies an image to the nodes that do not have it, and returns their names."""
        wanted = f"{_LOADED}={docker('image', 'inspect', '--format', '{{.Id}}', image)}"
        lacking = [node for node in nodes if wanted not in _ctr(node, "ls", f"name=={image}")]
        if lacking:
            self._kind("load", "docker-image", image, "--nodes", ",".join(lacking))
        for node in lacking:
            _ctr(node, "label", image, wanted)
        return lacking

    def advertise(self, node: str, devices: int) -> None:
        """Sets the node's devices, as a device plugin does. A restart of the kubelet removes them."""
        amount = {RESOURCE: str(devices)}
        status = {"status": {"capacity": amount, "allocatable": amount}}
        self.api.patch(f"/api/v1/nodes/{node}/status", status)

    def _await_answer(self) -> None:
        if not wait_until(self._answers, ANSWER_SECONDS, pause=0.5):
            raise KindError(f"the cluster {self.name} does not answer within {ANSWER_SECONDS:g} s")

    def _answers(self) -> bool:
        try:
            return bool(self.api.get("/api/v1/nodes")["items"])
        except (ApiError, OSError, ValueError):
            return False

    def _kind(self, *arguments: str) -> None:
        kind = str(binaries.ensure(["kind"])["kind"])
        done = subprocess.run(
            [kind, *arguments, "--name", self.name],
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KindError(f"kind {' '.join(arguments[:2])} failed:\n{last_lines(done, 40)}")


def _ctr(node: str, *arguments: str) -> str:
    return docker("exec", node, "ctr", "--namespace", "k8s.io", "images", *arguments)


@contextmanager
def running(cluster: KindCluster) -> Iterator[KindCluster]:
    """Deletes the cluster on exit, also when its start fails; KEEP=1 keeps it."""
    try:
        cluster.create()
        yield cluster
    finally:
        if not os.environ.get("KEEP"):
            cluster.delete()
