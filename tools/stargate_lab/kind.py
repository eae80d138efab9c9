"""A cluster of real kubelets: kind, in Docker containers on this machine.

One cluster of a fixed name: a run that was killed leaves it behind, and the next one takes it away
first. `KIND_NODE_IMAGE` names another node image than kind's own.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stargate_lab import binaries
from stargate_lab.api import Api
from stargate_lab.docker import docker
from stargate_lab.paths import REPO, RUN_DIR

WAIT = "180s"


class KindError(RuntimeError):
    """kind said no; the message holds its words."""


@dataclass(frozen=True)
class KindCluster:
    """`config` may name paths of the host relative to the repository; `directory` is ours."""

    config: Path
    name: str = "stargate-e2e"
    directory: Path = RUN_DIR / "e2e"

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
        """Names of nodes, which are names of containers too."""
        return sorted(name for name in self._nodes() if name != self.control_plane)

    def create(self) -> None:
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

    def load(self, image: str, nodes: Sequence[str]) -> None:
        """From the engine into these nodes: nothing is pulled."""
        self._kind("load", "docker-image", image, "--nodes", ",".join(nodes))

    def _nodes(self) -> list[str]:
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        return docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

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
            said = (done.stdout + done.stderr).strip()[-4000:]
            raise KindError(f"kind {' '.join(arguments[:2])} failed:\n{said}")


@contextmanager
def running(cluster: KindCluster) -> Iterator[KindCluster]:
    """Deleted on the way out, also when the start fails half-way; KEEP=1 leaves it to look at."""
    try:
        cluster.create()
        yield cluster
    finally:
        if not os.environ.get("KEEP"):
            cluster.delete()
