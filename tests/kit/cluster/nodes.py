"""The nodes: their objects, and the controller that reports which of them are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from tests.kit.api_server.resources import NODES, PODS, Key
from tests.kit.api_server.server import ApiServer, with_condition

Json = dict[str, Any]

NOTICED_SECONDS = 50.0
"""The node-monitor-grace-period: a node whose kubelet is silent for so long is not ready."""
COLLECTED_SECONDS = 60.0
"""Seconds after which pods on a node that does not exist are removed."""

_AGENT = "node-controller"
_EFFECTS = ("NoSchedule", "NoExecute")


class Nodes:
    """The nodes, and which of their kubelets are silent."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._silent: set[str] = set()
        self.on_return: list[Callable[[str], None]] = []

    def add(self, name: str, *, accelerator: str, labels: dict[str, str]) -> None:
        self._silent.discard(name)
        capacity = {
            "cpu": "64",
            "memory": "512G",
            "pods": "110",
            f"stargate.dev/{accelerator}": "8",
        }
        chosen = {
            "stargate.dev/accelerator": accelerator,
            "kubernetes.io/hostname": name,
            **labels,
        }
        self._server.create(
            NODES, {"metadata": {"name": name, "labels": chosen}, "spec": {}}, agent="kubelet"
        )
        self._say(name, "True", allocatable=capacity)

    def alive(self, name: str) -> bool:
        """True if the node exists and its kubelet is not silent."""
        return name not in self._silent and self._server.get(NODES, name) is not None

    def fall_silent(self, name: str) -> None:
        """The kubelet sends no more reports. The test decides whether its workers still run."""
        self._silent.add(name)
        self._later(NOTICED_SECONDS, lambda: self._notice(name))

    def return_(self, name: str) -> None:
        self._silent.discard(name)
        self._server.patch(_key(name), {"spec": {"taints": None}}, agent=_AGENT)
        self._say(name, "True")
        for callback in self.on_return:
            callback(name)

    def say_not_ready(self, name: str) -> None:
        """The kubelet itself reports that its node is not ready."""
        self._say(name, "False")
        self._server.patch(_key(name), {"spec": {"taints": _taints("not-ready")}}, agent=_AGENT)

    def remove(self, name: str) -> None:
        """Delete the object too, as a cloud does when the machine is gone."""
        self._silent.add(name)
        self._server.delete(_key(name), agent="cloud")
        self._later(COLLECTED_SECONDS, lambda: self._collect(name))

    def cordon(self, name: str, *, on: bool = True) -> None:
        self._server.patch(_key(name), {"spec": {"unschedulable": on or None}}, agent="admin")

    def _say(self, name: str, ready: str, **more: Json) -> None:
        node = self._server.get(NODES, name)
        if node is None:
            return
        condition = {"type": "Ready", "status": ready, "reason": "Test", "message": ""}
        conditions = with_condition({"status": node.get("status") or {}}, condition)
        status = {"conditions": conditions, **more}
        self._server.patch(_key(name), {"status": status}, agent=_AGENT, subresource="status")

    def _notice(self, name: str) -> None:
        if name not in self._silent or self._server.get(NODES, name) is None:
            return
        self._say(name, "Unknown")
        self._server.patch(_key(name), {"spec": {"taints": _taints("unreachable")}}, agent=_AGENT)
        for pod in self._pods_on(name):
            seconds = _tolerates(pod)
            if seconds is not None:
                self._later(seconds, lambda uid=pod["metadata"]["uid"]: self._evict(name, uid))  # type: ignore[misc]

    def _evict(self, name: str, uid: str) -> None:
        """Evict a pod like the taint manager, after the pod has tolerated the taint long enough."""
        pod = next((pod for pod in self._pods_on(name) if pod["metadata"]["uid"] == uid), None)
        if name not in self._silent or pod is None or "deletionTimestamp" in pod["metadata"]:
            return
        self.disrupt(pod, "DeletionByTaintManager")
        self._server.delete(pod_key(pod), agent=_AGENT)

    def _collect(self, name: str) -> None:
        if self._server.get(NODES, name) is not None:
            return
        for pod in self._pods_on(name):
            self.disrupt(pod, "DeletionByPodGC")
            self._server.delete(pod_key(pod), agent=_AGENT, gracePeriodSeconds=0)

    def disrupt(self, pod: Json, reason: str) -> None:
        """Says why a pod will be deleted soon, before it is."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "lastTransitionTime": self._server.stamp(),
        }
        status = {"conditions": with_condition(pod, condition)}
        self._server.patch(pod_key(pod), {"status": status}, agent=_AGENT, subresource="status")

    def _pods_on(self, name: str) -> list[Json]:
        return [pod for pod in self._server.all(PODS) if pod["spec"].get("nodeName") == name]

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop.call_later(seconds, call, context=Context())


def pod_key(pod: Json) -> Key:
    return Key(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _key(name: str) -> Key:
    return Key(NODES, "", name)


def _tolerates(pod: Json) -> float | None:
    """The seconds that a pod tolerates an unreachable node. None means for ever."""
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("key") in (None, "node.kubernetes.io/unreachable"):
            seconds = toleration.get("tolerationSeconds")
            return None if seconds is None else float(seconds)
    return 300.0


def _taints(what: str) -> list[Json]:
    """Those that the node lifecycle controller puts on a node."""
    return [{"key": f"node.kubernetes.io/{what}", "effect": effect} for effect in _EFFECTS]
