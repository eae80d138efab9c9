"""A node of the cluster, as far as a gang depends on it."""

from __future__ import annotations

import msgspec

from stargate_operator.model.pod import NOTHING
from stargate_operator.model.resources import Amounts

Label = tuple[str, str]


class Taint(msgspec.Struct, frozen=True, gc=False):
    """A taint that keeps pods off a node."""

    key: str
    effect: str
    value: str = ""


class Node(msgspec.Struct, frozen=True, gc=False):
    """A node whose kubelet has not reported for a while is `silent`, and then `ready` is False too."""

    name: str
    uid: str
    resource_version: int
    ready: bool
    silent: bool
    labels: tuple[Label, ...] = ()
    taints: tuple[Taint, ...] = ()
    """Those that keep pods away; a cordon is one of them."""
    allocatable: Amounts = NOTHING

    def label(self, key: str) -> str | None:
        return next((value for name, value in self.labels if name == key), None)


KEEP_AWAY = ("NoSchedule", "NoExecute")


CORDON = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
"""The taint of a cordoned node; a controller writes it a moment after `kubectl cordon`."""
