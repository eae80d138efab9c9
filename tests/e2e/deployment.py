"""The operator as users install it: the chart by `helm install`, with two replicas of the image."""

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
    """The operator runs on the control plane's node, because tests kill the workers' nodes."""

    cluster: KindCluster
    _logs: list[str] = field(default_factory=list)

    def install(self, values: str = "") -> None:
        """Install or upgrade the release. `values` is YAML in addition to the tests' values."""
        ensure_namespace(self.cluster, NAMESPACE)
        self._keep_logs()
        chart.install(self.cluster.kubeconfig, kind_example.VALUES, VALUES, values=values)
        self.wait_leader()

    def signal(self, pod: Json, name: str) -> None:
        self._keep_logs()
        Node(self.cluster.control_plane, self.cluster.api).signal(pod, name)

    def lose(self, pod: Json) -> None:
        """Lose the pod as with its node: its process stops, and the Deployment creates another pod."""
        path = f"{_PODS}/{pod['metadata']['name']}"
        self.signal(pod, "STOP")
        self.cluster.api.delete(path, {"gracePeriodSeconds": 0})

    def wait_ready(self, restarts: int = 0, seconds: float = READY_SECONDS) -> None:
        """Wait until all replicas are ready, with at least `restarts` container restarts in total."""
        until = time.monotonic() + seconds
        while not (self._all_ready() and self.restarts >= restarts):
            assert time.monotonic() < until, f"the operator is not ready:\n{self._tail()}"
            time.sleep(0.2)

    def wait_leader(
        self, since: float = 0.0, *, other_than: str = "", seconds: float = READY_SECONDS
    ) -> Json:
        """The pod with the leader label and the lease, if the lease was renewed after `since`."""
        until = time.monotonic() + seconds
        while not (found := self._leader(since)) or found["metadata"]["name"] == other_than:
            assert time.monotonic() < until, (
                f"no replica leads after {seconds:g} s:\n{self._tail()}"
            )
            time.sleep(0.1)
        return found

    @property
    def restarts(self) -> int:
        return sum(each["restartCount"] for pod in self.pods() for each in _containers(pod))

    def pods(self) -> list[Json]:
        found: list[Json] = self.cluster.api.get(f"{_PODS}?labelSelector={_OURS}")["items"]
        return [pod for pod in found if pod["metadata"].get("ownerReferences")]

    def logs(self) -> str:
        """The logs collected so far, with those of earlier containers and pods."""
        self._keep_logs()
        return "\n".join(self._logs)

    def _keep_logs(self) -> None:
        self._logs += map(self._log, self.pods())

    def _log(self, pod: Json) -> str:
        """The pod's log, or nothing if the container has not started or is gone."""
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


def tracebacks(log: str) -> Iterator[str]:
    """Lines with a traceback, except the one with which a replica ends when it loses its lease."""
    for line in log.splitlines():
        if "Traceback" in line and not _has_lost_its_lease(line):
            yield line


def _has_lost_its_lease(line: str) -> bool:
    entry = json.loads(line) if line.startswith("{") else {}
    return entry.get("event") == "ending" and "LeaseLost" in entry["exception"]


def _containers(pod: Json) -> list[Json]:
    """The container statuses. A new pod has none yet."""
    found: list[Json] = pod["status"].get("containerStatuses") or []
    return found
