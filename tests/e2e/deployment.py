"""The operator as it is shipped: what `helm install` made of the chart, its image in two replicas."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import ApiError, Json
from stargate_lab.cluster.installation import NAMESPACE, KubectlError, ensure_namespace, kubectl
from stargate_lab.cluster.kind import KindCluster
from stargate_lab.commands import kind_example
from tests.e2e.nodes import Node

READY_SECONDS = 90.0
VALUES = Path(__file__).parent / "values.yaml"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_OURS = "app.kubernetes.io/name=stargate-operator"
_LEADS = "stargate.dev/leader=true"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{chart.NAME}"


@dataclass
class DeployedOperator:
    """On the control plane's node: the workers' nodes are there to be lost."""

    cluster: KindCluster
    _logs: list[str] = field(default_factory=list)

    def install(self, values: str = "") -> None:
        """Or upgrades; `values` in YAML beside those of the tests."""
        ensure_namespace(self.cluster, NAMESPACE)
        self._keep_logs()
        chart.install(self.cluster.kubeconfig, kind_example.VALUES, VALUES, values=values)
        self.wait_leader()

    def signal(self, pod: Json, name: str) -> None:
        self._keep_logs()
        Node(self.cluster.control_plane, self.cluster.api).signal(pod, name)

    def lose(self, pod: Json) -> None:
        """As with its machine: it says nothing more, and its Deployment makes another."""
        path = f"{_PODS}/{pod['metadata']['name']}"
        self.signal(pod, "STOP")
        self.cluster.api.delete(path, {"gracePeriodSeconds": 0})

    def wait_ready(self, restarts: int = 0, seconds: float = READY_SECONDS) -> None:
        """Every replica; `restarts`: of all their containers together."""
        until = time.monotonic() + seconds
        while not (self._all_ready() and self.restarts >= restarts):
            assert time.monotonic() < until, f"the operator is not ready:\n{self._tail()}"
            time.sleep(0.2)

    def wait_leader(
        self, since: float = 0.0, *, other_than: str = "", seconds: float = READY_SECONDS
    ) -> Json:
        """Whose pod has the lease, renewed after `since`, and the label by which reports find it."""
        until = time.monotonic() + seconds
        while not (found := self._leader(since)) or found["metadata"]["name"] == other_than:
            assert time.monotonic() < until, f"nobody leads after {seconds:g} s:\n{self._tail()}"
            time.sleep(0.1)
        return found

    @property
    def restarts(self) -> int:
        return sum(each["restartCount"] for pod in self.pods() for each in _containers(pod))

    def pods(self) -> list[Json]:
        found: list[Json] = self.cluster.api.get(f"{_PODS}?labelSelector={_OURS}")["items"]
        return [pod for pod in found if pod["metadata"].get("ownerReferences")]

    def logs(self) -> str:
        """Of all its lives, as long as somebody looked."""
        self._keep_logs()
        return "\n".join(self._logs)

    def _keep_logs(self) -> None:
        self._logs += map(self._log, self.pods())

    def _log(self, pod: Json) -> str:
        """Nothing of one that has not begun yet, or is gone by now."""
        try:
            return kubectl(self.cluster, "-n", NAMESPACE, "logs", pod["metadata"]["name"])
        except KubectlError:
            return ""

    def _tail(self) -> str:
        return "\n\n".join(self._log(pod)[-3000:] for pod in self.pods())

    def _all_ready(self) -> bool:
        pods = self.pods()
        return len(pods) > 1 and all(each["ready"] for pod in pods for each in _containers(pod))

    def _leader(self, since: float) -> Json | None:
        try:
            lease = self.cluster.api.get(_LEASE)["spec"]
        except ApiError:
            return None
        if datetime.fromisoformat(lease["renewTime"]).timestamp() < since:
            return None
        labelled = self.cluster.api.get(f"{_PODS}?labelSelector={_LEADS}")["items"]
        held = [pod for pod in labelled if pod["metadata"]["name"] == lease["holderIdentity"]]
        return held[0] if held else None


def stumbles(log: str) -> Iterator[str]:
    """Lines with a traceback, save the last of a replica that has lost its lease: it ends by that."""
    for line in log.splitlines():
        if "Traceback" in line and not _has_lost_its_lease(line):
            yield line


def _has_lost_its_lease(line: str) -> bool:
    entry = json.loads(line) if line.startswith("{") else {}
    return entry.get("event") == "ending" and "LeaseLost" in entry["exception"]


def _containers(pod: Json) -> list[Json]:
    """None yet: it has only been made."""
    found: list[Json] = pod["status"].get("containerStatuses") or []
    return found
