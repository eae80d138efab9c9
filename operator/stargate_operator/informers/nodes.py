"""The informer of the cluster's nodes: readiness, labels, taints and allocatable resources of each.

A node's object has some ten kilobytes and is written every few minutes. Only a few fields of it are
kept, and equal labels, taints and capacities of thousands of nodes are one object each.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from functools import lru_cache

import msgspec

from stargate_operator.informers.pod_wire import number
from stargate_operator.informers.reflector import Reflector
from stargate_operator.kube.client import Client
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.node import CORDON, KEEP_AWAY, Label, Node, Taint
from stargate_operator.model.resources import amounts

NODES = "/api/v1/nodes"


OnNode = Callable[[Node | None, Node | None], None]


class _Condition(msgspec.Struct, frozen=True, gc=False):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True, gc=False):
    conditions: list[_Condition] | None = None
    allocatable: dict[str, str | int] | None = None


class _Spec(msgspec.Struct, frozen=True, gc=False):
    unschedulable: bool = False
    taints: list[Taint] | None = None


class WireNode(msgspec.Struct, frozen=True, gc=False):
    """A node as it comes from the API server, decoded as far as `Node` needs it."""

    metadata: ObjectMeta
    spec: _Spec = _Spec()
    status: _Status = _Status()


def node_of(wire: WireNode) -> Node:
    said = next((c.status for c in wire.status.conditions or () if c.type == "Ready"), "Unknown")
    return Node(
        name=wire.metadata.name,
        uid=wire.metadata.uid,
        resource_version=number(wire.metadata.resource_version),
        ready=said == "True",
        silent=said not in ("True", "False"),
        labels=tuple(_label(*label) for label in (wire.metadata.labels or {}).items()),
        taints=_taints(wire.spec),
        allocatable=amounts(tuple((wire.status.allocatable or {}).items())),
    )


@lru_cache(maxsize=65_536)
def _label(key: str, value: str) -> Label:
    return sys.intern(key), value


def _taints(spec: _Spec) -> tuple[Taint, ...]:
    found = [taint for taint in spec.taints or () if taint.effect in KEEP_AWAY]
    if spec.unschedulable and all(taint.key != CORDON.key for taint in found):
        found.append(CORDON)
    return _one(tuple(found))


@lru_cache(maxsize=4096)
def _one(taints: tuple[Taint, ...]) -> tuple[Taint, ...]:
    return taints


class NodeStore:
    """The nodes by UID. `on_change` is called when a node comes, goes, or
    changes in a field that is kept."""

    def __init__(self, on_change: OnNode) -> None:
        self._on_change = on_change
        self._nodes: dict[str, Node] = {}

    def put(self, node: Node) -> None:
        known = self._nodes.get(node.uid)
        if known is not None and known.resource_version >= node.resource_version:
            return
        self._nodes[node.uid] = node
        if known is None or _aged(known, node.resource_version) != node:
            self._on_change(known, node)

    def remove(self, uid: str) -> None:
        known = self._nodes.pop(uid, None)
        if known is not None:
            self._on_change(known, None)

    def keep_only(self, listed: set[str], version: int) -> None:
        """Takes a full list at `version`. A known node that it lacks and that
        is no newer has vanished."""
        for node in list(self._nodes.values()):
            if node.uid not in listed and node.resource_version <= version:
                self.remove(node.uid)

    def clear_versions(self) -> None:
        for uid, node in self._nodes.items():
            self._nodes[uid] = msgspec.structs.replace(node, resource_version=0)


def _aged(node: Node, version: int) -> Node:
    return msgspec.structs.replace(node, resource_version=version)


class NodeInformer(Reflector[WireNode]):
    """Follows the nodes of the cluster. `on_change` is called with each change."""

    def __init__(
        self,
        client: Client,
        *,
        on_change: OnNode,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
    ) -> None:
        self._store = NodeStore(on_change)
        super().__init__(client, self._store, WireNode, path=NODES, clock=clock, jitter=jitter)

    def _keep(self, wire: WireNode) -> None:
        self._store.put(node_of(wire))
