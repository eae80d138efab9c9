"""The operator as it is shipped: its image, its manifests, its ServiceAccount; in the cluster."""

import base64
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stargate_lab import installation
from stargate_lab.api import Json
from stargate_lab.certificates import issue
from stargate_lab.images import OPERATOR
from stargate_lab.installation import NAMESPACE, kubectl
from stargate_lab.kind import KindCluster
from stargate_lab.paths import REPO
from tests.e2e.nodes import Node

READY_SECONDS = 90.0
QUICKER = {"STARGATE_NODE_LOST_SECONDS": "10"}
"""Than it is shipped with: the tests have no time to be patient with a node."""
_PODS = (
    f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/name=stargate-operator"
)


@dataclass
class DeployedOperator:
    """On the control plane's node: the workers' nodes are there to be lost."""

    cluster: KindCluster
    _logs: list[str] = field(default_factory=list)

    def install(self) -> None:
        installation.install(self.cluster)
        self._apply(_certificate(self.cluster.directory / "certificates"))
        self._apply(*self._manifests())
        self.wait_ready()

    def kill(self) -> None:
        """SIGKILL; the kubelet starts its container again."""
        pod = self.pod()
        assert pod is not None, "there is no operator to kill"
        self._logs.append(self.log())
        Node(self.cluster.control_plane, self.cluster.api).signal(pod, "KILL")

    def wait_ready(self, restarts: int = 0, seconds: float = READY_SECONDS) -> None:
        """`restarts`: of its container, since its pod was made."""
        until = time.monotonic() + seconds
        while not self._is_ready(restarts):
            assert time.monotonic() < until, f"the operator is not ready:\n{self.log()[-4000:]}"
            time.sleep(0.2)

    @property
    def restarts(self) -> int:
        status = self._status()
        return int(status["restartCount"]) if status else 0

    def pod(self) -> Json | None:
        found = self.cluster.api.get(_PODS)["items"]
        return found[0] if found else None

    def log(self) -> str:
        return kubectl(self.cluster, "-n", NAMESPACE, "logs", "deployment/stargate-operator")

    def logs(self) -> str:
        """Of all its lives."""
        return "\n".join([*self._logs, self.log()])

    def _is_ready(self, restarts: int) -> bool:
        status = self._status()
        return bool(status and status["ready"] and status["restartCount"] >= restarts)

    def _status(self) -> Json | None:
        pod = self.pod()
        found = pod["status"].get("containerStatuses") if pod else None
        return found[0] if found else None

    def _manifests(self) -> list[Json]:
        documents = yaml.safe_load_all((REPO / "config" / "operator.yaml").read_text())
        return [self._placed(document) for document in documents]

    def _placed(self, document: Json) -> Json:
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            pod["nodeName"] = self.cluster.control_plane
            pod["containers"][0] |= {"image": OPERATOR.tag, "imagePullPolicy": "Never"}
            pod["containers"][0]["env"] += [{"name": n, "value": v} for n, v in QUICKER.items()]
        return document

    def _apply(self, *documents: Json) -> None:
        text = yaml.safe_dump_all(documents)
        kubectl(self.cluster, "apply", "--server-side", "-f", "-", stdin=text)


def _certificate(directory: Path) -> Json:
    files = issue(directory)
    content = {"ca.crt": files.ca, "tls.crt": files.certificate, "tls.key": files.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stargate-operator-tls", "namespace": NAMESPACE},
        "type": "kubernetes.io/tls",
        "data": {
            name: base64.b64encode(path.read_bytes()).decode() for name, path in content.items()
        },
    }
