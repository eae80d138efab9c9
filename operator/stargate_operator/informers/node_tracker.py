"""Which nodes are not ready, since when, and whom that concerns.

Since when is by this process's own monotonic clock, from when it first saw it: what a node or another
controller wrote of times may come from a clock that is wrong. A new operator therefore waits the
whole time again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from stargate_operator.model.node import Node
from stargate_operator.model.node_health import NodeHealth, UnreadyNode
from stargate_operator.model.pod import Pod
from stargate_operator.telemetry import metrics

log = structlog.get_logger(__name__)

_COUNT_SECONDS = 1.0
_CLOCK_WAS_SET = 2.0
_BACKSTOP_SECONDS = 300
_REMEMBER_GONE_SECONDS = 3600.0
"""A node that vanished: longer than anybody lets its pods stand."""


@dataclass(frozen=True)
class NodeLossTimes:
    """`lost_after`: how long a node is not ready until its pods are taken for gone. `avoided_for`: how
    long later attempts avoid it."""

    lost_after: timedelta
    avoided_for: timedelta


@dataclass
class _Unready:
    """`since` as both clocks had it: by one it is measured, by the other it is told."""

    since: float
    told_since: datetime
    silent: bool
    gone: bool = False


class NodeTracker:
    """`clock` is UTC, `monotonic` in seconds; `every_pod` gives the pods of all jobs."""

    def __init__(
        self,
        times: NodeLossTimes,
        *,
        every_pod: Callable[[], Iterable[Pod]],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._times = times
        self._every_pod = every_pod
        self._clock = clock
        self._monotonic = monotonic
        self._ready: set[str] = set()
        self._unready: dict[str, _Unready] = {}
        self._counted_at = float("-inf")
        self._in_outage = False

    @property
    def tolerated_seconds(self) -> int:
        """How long a pod bears a node that is not ready: longer than we do. Kubernetes' own eviction
        comes second, for when no operator is there to act."""
        return int(self._times.lost_after.total_seconds()) + _BACKSTOP_SECONDS

    def take(self, node: Node | None, gone: Node | None) -> bool:
        """A node as it is now, or as it was when it went. Whether that is news to anybody."""
        self._counted_at = float("-inf")
        if node is None:
            return gone is not None and self._unready_now(gone.name, silent=True, gone=True)
        if not node.ready:
            return self._unready_now(node.name, silent=node.silent)
        self._ready.add(node.name)
        returned = self._unready.pop(node.name, None) is not None
        metrics.unready_nodes(len(self._unready))
        return returned

    def miss(self, names: Iterable[str]) -> None:
        """Nodes that pods are said to be on; those that nobody knows have vanished before."""
        for name in names:
            if name and name not in self._ready and name not in self._unready:
                self._unready_now(name, silent=True, gone=True)

    def about(self, pods: Iterable[Pod], avoided: Iterable[str]) -> NodeHealth:
        """What the owner of these pods must know."""
        unready = self._unready_of(pods) if self._unready else {}
        return NodeHealth(
            unready=unready,
            ready_again=frozenset(name for name in avoided if name in self._ready),
            outage=bool(unready) and self._outage(),
            lost_after=self._times.lost_after,
            avoided_for=self._times.avoided_for,
        )

    def concerned(self, names: set[str]) -> set[str]:
        """The jobs with live pods on these nodes."""
        return {pod.job_uid for pod in self._every_pod() if pod.node in names and pod.alive}

    def _unready_now(self, name: str, *, silent: bool, gone: bool = False) -> bool:
        self._ready.discard(name)
        self._forget_long_gone(self._monotonic())
        known = self._unready.get(name)
        if known is None:
            known = _Unready(self._monotonic(), self._clock(), silent)
        self._unready[name] = replace(known, silent=silent, gone=gone)
        metrics.unready_nodes(len(self._unready))
        return True

    def _forget_long_gone(self, now: float) -> None:
        for name, each in list(self._unready.items()):
            if each.gone and now - each.since > _REMEMBER_GONE_SECONDS:
                del self._unready[name]

    def _unready_of(self, pods: Iterable[Pod]) -> dict[str, UnreadyNode]:
        names = {pod.node for pod in pods if pod.node in self._unready and pod.alive}
        return {name: self._seen(name) for name in names}

    def _seen(self, name: str) -> UnreadyNode:
        each = self._unready[name]
        since = self._clock() - timedelta(seconds=self._monotonic() - each.since)
        if abs((since - each.told_since).total_seconds()) > _CLOCK_WAS_SET:
            each.told_since = since
        return UnreadyNode(name, since=each.told_since, silent=each.silent)

    def _outage(self) -> bool:
        """Whether more nodes that hold gangs are not ready than there are ready nodes."""
        now, before = self._monotonic(), self._in_outage
        if now - self._counted_at > _COUNT_SECONDS:
            holding = {p.node for p in self._every_pod() if p.node in self._unready and p.alive}
            self._counted_at, self._in_outage = now, len(holding) > len(self._ready)
            if self._in_outage and not before:
                log.warning("most nodes are not ready: none is given up", nodes=len(holding))
        return self._in_outage
