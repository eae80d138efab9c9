"""The scheduler: it binds one pod after the other to a node with enough free resources."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from decimal import Decimal
from typing import Any

from stargate_types.quantity import amount
from tests.kit.api_server.resources import NODES, PODS
from tests.kit.api_server.server import ApiServer, with_condition
from tests.kit.api_server.store import Commit
from tests.kit.cluster.nodes import pod_key

Json = dict[str, Any]

_AGENT = "scheduler"
_OVER = ("Succeeded", "Failed")
_KEEP_AWAY = ("NoSchedule", "NoExecute")


class Scheduler:
    """`latency` returns the seconds that one pod takes."""

    def __init__(self, server: ApiServer, *, latency: Callable[[], float]) -> None:
        self._server = server
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._due = False
        self._tried: set[str] = set()
        self._used: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.stopped = False
        server.store.listen(self._told)

    def stop(self) -> None:
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False
        self._soon()

    def _told(self, commit: Commit) -> None:
        """Schedule a new pod, or try all waiting pods again after resources became free."""
        resource = commit.key.resource
        if resource is PODS:
            self._account(commit)
        if resource is NODES or (resource is PODS and _gives_room(commit)):
            self._tried.clear()
            self._soon()
        elif resource is PODS and commit.change == "ADDED":
            self._soon()

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_later(self._latency(), self._turn, context=Context())

    def _turn(self) -> None:
        self._due = False
        if self.stopped:
            return
        pod = next(self._waiting(), None)
        if pod is not None:
            self._place(pod)
            self._soon()

    def _waiting(self) -> Iterator[Json]:
        pods = sorted(self._server.all(PODS), key=lambda pod: int(pod["metadata"]["uid"][-12:]))
        return (pod for pod in pods if self._waits(pod))

    def _waits(self, pod: Json) -> bool:
        meta, gated = pod["metadata"], pod["spec"].get("schedulingGates")
        over = pod["status"]["phase"] in _OVER or "deletionTimestamp" in meta
        return not (pod["spec"].get("nodeName") or over or gated or meta["uid"] in self._tried)

    def _place(self, pod: Json) -> None:
        nodes = self._server.all(NODES)
        why: Counter[str] = Counter()
        for node in nodes:
            reason = self._against(pod, node)
            if not reason:
                return self._server.bind(pod_key(pod), node["metadata"]["name"])
            why[reason] += 1
        self._tried.add(pod["metadata"]["uid"])
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(why.items()))
        self._tell(pod, f"0/{len(nodes)} nodes are available: {reasons}.")
        return None

    def _tell(self, pod: Json, message: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": self._server.stamp(),
        }
        status = {"conditions": with_condition(pod, condition)}
        self._server.patch(pod_key(pod), {"status": status}, agent=_AGENT, subresource="status")

    def _against(self, pod: Json, node: Json) -> str:
        """Why the pod does not fit on the node; "" if it fits."""
        name, spec = node["metadata"]["name"], pod["spec"]
        labels = node["metadata"].get("labels") or {}
        if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
            return "node(s) didn't match Pod's node affinity/selector"
        if name in _avoided(spec):
            return "node(s) didn't match Pod's node affinity/selector"
        if node["spec"].get("unschedulable") or _untolerated(pod, node["spec"].get("taints")):
            return "node(s) had untolerated taints"
        short = self._short_of(pod, node)
        return f"Insufficient {short}" if short else ""

    def _account(self, commit: Commit) -> None:
        """Keep count of the used resources of each node."""
        if commit.before is not None and _holds(commit.before.object):
            self._take(commit.before.object, -1)
        if commit.change != "DELETED" and _holds(commit.now.object):
            self._take(commit.now.object, 1)

    def _take(self, pod: Json, sign: int) -> None:
        used = self._used[pod["spec"]["nodeName"]]
        for name, wanted in _requests(pod).items():
            used[name] += sign * wanted

    def _short_of(self, pod: Json, node: Json) -> str:
        used = self._used[node["metadata"]["name"]]
        allocatable = (node.get("status") or {}).get("allocatable") or {}
        for resource, wanted in _requests(pod).items():
            if used[resource] + wanted > amount(allocatable.get(resource, "0")):
                return resource
        return ""


def _holds(pod: Json) -> bool:
    return bool(pod["spec"].get("nodeName")) and pod["status"]["phase"] not in _OVER


def _gives_room(commit: Commit) -> bool:
    if commit.change == "DELETED":
        return True
    before = commit.before.object["status"]["phase"] if commit.before else ""
    return commit.now.object["status"]["phase"] in _OVER and before not in _OVER


def _requests(pod: Json) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for container in pod["spec"].get("containers") or ():
        for name, stated in ((container.get("resources") or {}).get("requests") or {}).items():
            found[name] += amount(stated)
    return found


def _avoided(spec: Json) -> Iterable[str]:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["operator"] == "NotIn":
                yield from field["values"]


def _untolerated(pod: Json, taints: list[Json] | None) -> bool:
    tolerations = pod["spec"].get("tolerations") or []
    return any(
        taint["effect"] in _KEEP_AWAY
        and not any(_tolerates(toleration, taint) for toleration in tolerations)
        for taint in taints or ()
    )


def _tolerates(toleration: Json, taint: Json) -> bool:
    key, effect = toleration.get("key"), toleration.get("effect")
    if toleration.get("tolerationSeconds") is not None:
        return False  # it tolerates the taint only for a while, so the pod is not bound there
    return key in (None, taint["key"]) and effect in (None, "", taint["effect"])
