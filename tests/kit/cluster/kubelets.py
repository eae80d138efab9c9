"""The kubelets: they start the pods of their nodes, report how they end, and remove deleted pods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.kit.api_server.resources import PODS
from tests.kit.api_server.server import ApiServer, with_condition
from tests.kit.api_server.store import Commit
from tests.kit.cluster.nodes import Nodes, pod_key

Json = dict[str, Any]

_AGENT = "kubelet"
_OVER = ("Succeeded", "Failed")
_REMOVAL_SECONDS = 0.02
"""Seconds from the end of a deleted pod's containers to the removal of its object."""

OBEDIENT = 0.2
"""Seconds within which a worker that handles SIGTERM ends."""


@dataclass
class Speeds:
    """The seconds that a container takes to start, and to end after SIGTERM."""

    start: Callable[[], float]
    stop: Callable[[], float]


class Kubelets:
    """`code_at_stop` returns the exit code of a worker that ends within its grace period."""

    def __init__(
        self,
        server: ApiServer,
        nodes: Nodes,
        *,
        speeds: Speeds,
        code_at_stop: Callable[[], int] = lambda: 143,
    ) -> None:
        self._server = server
        self._nodes = nodes
        self.speeds = speeds
        self.code_at_stop = code_at_stop
        self._loop = asyncio.get_running_loop()
        self._stopping: dict[str, asyncio.TimerHandle] = {}
        self._unsaid: dict[str, list[Callable[[], None]]] = {}
        """By node: what its kubelet will say when it is heard again."""
        self.confirms_after = 0.0
        """Seconds from the end of a container until the kubelet says that its pod has ended, too."""
        self.cannot_start: Callable[[Json], str] = lambda _: ""
        """The waiting reason of a container that cannot start, such as ImagePullBackOff, or ""."""
        self.unkillable: Callable[[Json], bool] = lambda _: False
        """True for a pod whose processes do not end, as on a storage server that hangs."""
        self.rejects: Callable[[Json], str] = lambda _: ""
        """The reason why a kubelet does not admit a pod that was bound to its node, or ""."""
        server.store.listen(self._told)
        nodes.on_return.append(self.look_around)

    def exit(
        self, pod: Json, code: int, *, reason: str = "", message: str = "", late: float = 0.0
    ) -> None:
        """A pod's worker has ended, `late` seconds ago."""
        if not self._heard(pod):
            self._later_say(pod, lambda: self.exit(pod, code, reason=reason, message=message))
            return
        current = self._current(pod)
        if current is None or not _worker_runs(current):
            return
        self._end(current, code, reason or ("Error" if code else "Completed"), message, late)

    def fail(self, pod: Json, **status: Any) -> None:
        """The kubelet itself fails the pod, for example when it evicts or rejects it."""
        if self._heard(pod):
            self._say(pod, {"phase": "Failed", **status})

    def _told(self, commit: Commit) -> None:
        if commit.key.resource is not PODS or commit.change == "DELETED":
            return
        before = commit.before.object if commit.before else None
        self._look(commit.now.object, before)

    def _look(self, pod: Json, before: Json | None) -> None:
        node = pod["spec"].get("nodeName", "")
        if not node or not self._nodes.alive(node):
            return
        was_on_it = before is not None and before["spec"].get("nodeName") == node
        if _grace(pod) is not None and (not was_on_it or _grace(pod) != _grace(before)):
            self._told_to_stop(pod)
        elif not was_on_it and pod["status"]["phase"] == "Pending":
            self._later(self.speeds.start(), lambda: self.start(pod))

    def look_around(self, node: str) -> None:
        """Handle the changes that the kubelet missed while its node was silent, and try again to start
        what could not start."""
        for say in self._unsaid.pop(node, ()):
            say()
        for pod in self._server.all(PODS):
            if pod["spec"].get("nodeName") == node:
                self._look(pod, None)

    def start(self, pod: Json) -> None:
        current = self._current(pod)
        alive = self._nodes.alive(pod["spec"]["nodeName"])
        if current is None or not alive or current["status"]["phase"] != "Pending":
            return None
        if _grace(current) is not None:
            return None
        rejected = self.rejects(current)
        if rejected:
            return self.fail(current, reason=rejected, message="the node does not admit the pod")
        waiting = self.cannot_start(current)
        if waiting:
            container = _container(current, {"waiting": {"reason": waiting, "message": waiting}})
            return self._say(current, {"containerStatuses": [container]})
        now = self._server.stamp()
        container = _container(current, {"running": {"startedAt": now}}, ready=True)
        return self._say(
            current,
            {
                "phase": "Running",
                "startTime": now,
                "conditions": with_condition(current, _ready("True", now)),
                "containerStatuses": [container],
            },
        )

    def _told_to_stop(self, pod: Json) -> None:
        """The worker gets SIGTERM, and SIGKILL at the end of its grace period."""
        meta, grace = pod["metadata"], _grace(pod) or 0
        known = self._stopping.pop(meta["uid"], None)
        if known is not None:
            known.cancel()
        takes = self.speeds.stop()
        code = self.code_at_stop() if takes <= grace else 137
        started = pod["status"]["phase"] == "Running"
        seconds = min(takes, float(grace)) if started else 0.01
        self._stopping[meta["uid"]] = self._later(seconds, lambda: self._stopped(pod, code))

    def _stopped(self, pod: Json, code: int) -> None:
        current = self._current(pod)
        if current is None or not self._nodes.alive(pod["spec"]["nodeName"]):
            return
        if self.unkillable(current):
            return
        self._stopping.pop(pod["metadata"]["uid"], None)
        if current["status"]["phase"] == "Running":
            self._end_all(current, code)
        self._later(_REMOVAL_SECONDS, lambda: self._remove(current))

    def _end_all(self, pod: Json, code: int) -> None:
        """A deleted pod's containers: the worker may have ended before a sidecar."""
        if not _worker_runs(pod):
            ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
            code, reason, message = ended["exitCode"], ended["reason"], ended["message"]
            late = self._server.seconds - datetime.fromisoformat(ended["finishedAt"]).timestamp()
            return self._end(pod, code, reason, message, late)
        return self._end(pod, code, "Error" if code else "Completed", "", 0.0)

    def _remove(self, pod: Json) -> None:
        if self._current(pod) is not None:
            self._server.delete(pod_key(pod), agent=_AGENT, gracePeriodSeconds=0)

    def _end(self, pod: Json, code: int, reason: str, message: str, late: float) -> None:
        """The worker's container has ended. A sidecar goes on until the pod is deleted."""
        ended = self._server.stamp_ago(late)
        state = {"exitCode": code, "reason": reason, "message": message, "finishedAt": ended}
        over = len(pod["spec"]["containers"]) == 1 or _grace(pod) is not None
        phase = "Failed" if code else "Succeeded"
        at_once = over and not self.confirms_after
        if over and not at_once:
            self._later(self.confirms_after, lambda: self._confirm(pod, phase))
        self._say(
            pod,
            {
                "phase": phase if at_once else "Running",
                "conditions": with_condition(pod, _ready("False", ended)),
                "containerStatuses": [_container(pod, {"terminated": state})],
            },
        )

    def _confirm(self, pod: Json, phase: str) -> None:
        if not self._heard(pod):
            return self._later_say(pod, lambda: self._confirm(pod, phase))
        current = self._current(pod)
        if current is not None and current["status"]["phase"] not in _OVER:
            self._say(current, {"phase": phase})
        return None

    def _heard(self, pod: Json) -> bool:
        return self._nodes.alive(pod["spec"].get("nodeName", ""))

    def _later_say(self, pod: Json, say: Callable[[], None]) -> None:
        self._unsaid.setdefault(pod["spec"].get("nodeName", ""), []).append(say)

    def _say(self, pod: Json, status: Json) -> None:
        self._server.patch(pod_key(pod), {"status": status}, agent=_AGENT, subresource="status")

    def _current(self, pod: Json) -> Json | None:
        """The current state of this pod, or None if it is gone."""
        meta = pod["metadata"]
        found = self._server.get(PODS, meta["name"], meta["namespace"])
        return found if found and found["metadata"]["uid"] == meta["uid"] else None

    def _later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, call, context=Context())


def _worker_runs(pod: Json) -> bool:
    """Or it may still start."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    ended = "terminated" in (statuses[0].get("state") or {})
    return pod["status"]["phase"] not in _OVER and not ended


def _grace(pod: Json | None) -> int | None:
    grace: int | None = pod["metadata"].get("deletionGracePeriodSeconds") if pod else None
    return grace


def _ready(status: str, now: str) -> Json:
    return {"type": "Ready", "status": status, "lastTransitionTime": now}


def _container(pod: Json, state: Json, *, ready: bool = False) -> Json:
    return {
        "name": "worker",
        "image": pod["spec"]["containers"][0]["image"],
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }
