"""The pods of others that hold a node: their node and their requests.

The watch selects pods that have a node and have not ended. A pod that ends leaves the selection, which
the watch shows as a deletion. A cluster has tens of thousands of them, so only a few fields of each are
kept.

See docs/decisions/0030-one-more-watch-for-foreign-pods.md.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

import msgspec

from stargate_operator import constants
from stargate_operator.informers.informer import PODS
from stargate_operator.informers.pod_requests import Asking, requests_of
from stargate_operator.informers.pod_wire import number
from stargate_operator.informers.reflector import Reflector
from stargate_operator.kube.client import Client
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.resources import Amounts

Held = tuple[str, Amounts]
"""A node, and the resources that a pod requests of it."""
OnHeld = Callable[["Held | None", "Held | None"], None]

_HOLDING = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


class _Spec(Asking, rename="camel", frozen=True, gc=False):
    node_name: str = ""


class WireForeignPod(msgspec.Struct, frozen=True, gc=False):
    """A pod as it comes from the API server, decoded as far as its requests and its node."""

    metadata: ObjectMeta
    spec: _Spec = _Spec()


class ForeignPod(msgspec.Struct, frozen=True, gc=False):
    """A pod that is not ours, and what it holds of its node. `version`: its resourceVersion."""

    version: int
    node: str
    requests: Amounts

    @property
    def held(self) -> Held:
        return self.node, self.requests


class ForeignPodStore:
    """The pods of others by UID. `on_change` gets what a pod held before and holds now."""

    def __init__(self, on_change: OnHeld) -> None:
        self._on_change = on_change
        self._pods: dict[str, ForeignPod] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def put(self, uid: str, pod: ForeignPod) -> None:
        known = self._pods.get(uid)
        if known is not None and known.version >= pod.version:
            return
        self._pods[uid] = pod
        before = known.held if known else None
        if before != pod.held:
            self._on_change(before, pod.held)

    def remove(self, uid: str) -> None:
        known = self._pods.pop(uid, None)
        if known is not None:
            self._on_change(known.held, None)

    def keep_only(self, listed: set[str], version: int) -> None:
        """Takes a full list at `version`. A known pod that it lacks and that is
        no newer has vanished."""
        gone = [
            uid for uid, pod in self._pods.items() if uid not in listed and pod.version <= version
        ]
        for uid in gone:
            self.remove(uid)

    def clear_versions(self) -> None:
        for uid, pod in self._pods.items():
            self._pods[uid] = msgspec.structs.replace(pod, version=0)


class ForeignPods(Reflector[WireForeignPod]):
    """The informer of pods without a job's label, in all namespaces.

    `outside` are the namespaces whose gangs are ours. If there are any, it follows instead the pods that
    have a job's label and are in another namespace. Another operator runs these pods, or nobody does.
    `on_change` gets what a pod held before and holds now.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_change: OnHeld,
        outside: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
    ) -> None:
        self._store = ForeignPodStore(on_change)
        elsewhere = (f"metadata.namespace!={namespace}" for namespace in outside)
        super().__init__(
            client,
            self._store,
            WireForeignPod,
            path=PODS,
            clock=clock,
            jitter=jitter,
            selector=constants.LABEL_JOB_UID if outside else f"!{constants.LABEL_JOB_UID}",
            fields=",".join((_HOLDING, *elsewhere)),
        )

    @property
    def name(self) -> str:
        return "foreign pods"

    def __len__(self) -> int:
        return len(self._store)

    def _keep(self, wire: WireForeignPod) -> None:
        pod = ForeignPod(
            version=number(wire.metadata.resource_version),
            node=sys.intern(wire.spec.node_name),
            requests=requests_of(wire.spec),
        )
        self._store.put(wire.metadata.uid, pod)
