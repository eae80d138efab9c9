"""Keeps the nodes that are not ready, since when they are not, and the jobs that this concerns.

The time counts from when this process first saw it, by its own monotonic clock: a time that a node or
another controller wrote may come from a clock that is wrong. So a new operator waits the whole time
again.
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
"""How long a vanished node is remembered: longer than any of its pods is left in the API server."""


@dataclass(frozen=True)
class NodeLossTimes:
    """`lost_after`: how long a node is not ready until its pods are taken for gone. `avoided_for`: how
    long later attempts avoid it."""

    lost_after: timedelta
    avoided_for: timedelta


@dataclass
class _Unready:
    """A node that is not ready. `since` is monotonic and measures; `shown_since` is UTC and is shown."""

    since: float
    shown_since: datetime
    silent: bool
    gone: bool = False


class NodeTracker:
    """The nodes that are not ready, for all jobs.

    `clock` is UTC, `monotonic` is in seconds; `every_pod` gives the pods of all jobs.
    """

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
        """How long a pod tolerates a node that is not ready: longer than the operator does. Kubernetes'
        own eviction comes second, for the case that no operator runs."""
        return int(self._times.lost_after.total_seconds()) + _BACKSTOP_SECONDS

    def take(self, node: Node | None, gone: Node | None) -> bool:
        """Takes a node as it is now, or as it was when it was deleted. True if it may concern a job."""
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
        """Takes the names of nodes that pods are on. A node that is not known has vanished earlier."""
        for name in names:
            if name and name not in self._ready and name not in self._unready:
                self._unready_now(name, silent=True, gone=True)

    def about(self, pods: Iterable[Pod], avoided: Iterable[str]) -> NodeHealth:
        """The health of the nodes of one job: those of its pods, and those that it avoids."""
        unready = self._unready_of(pods) if self._unready else {}
        return NodeHealth(
            unready=unready,
            ready_again=frozenset(name for name in avoided if name in self._ready),
            outage=bool(unready) and self._outage(),
            lost_after=self._times.lost_after,
            avoided_for=self._times.avoided_for,
        )

    def existing(self, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those of these nodes that are ready, and those that exist and are not. A node that is gone is
        in neither."""
        known = tuple(names)
        unready = (name for name in known if name in self._unready and not self._unready[name].gone)
        return tuple(name for name in known if name in self._ready), tuple(unready)

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
        for name, node in list(self._unready.items()):
            if node.gone and now - node.since > _REMEMBER_GONE_SECONDS:
                del self._unready[name]

    def _unready_of(self, pods: Iterable[Pod]) -> dict[str, UnreadyNode]:
        names = {pod.node for pod in pods if pod.node in self._unready and pod.alive}
        return {name: self._seen(name) for name in names}

    def _seen(self, name: str) -> UnreadyNode:
        node = self._unready[name]
        since = self._clock() - timedelta(seconds=self._monotonic() - node.since)
        if abs((since - node.shown_since).total_seconds()) > _CLOCK_WAS_SET:
            node.shown_since = since
        return UnreadyNode(name, since=node.shown_since, silent=node.silent)

    def _outage(self) -> bool:
        """True if the unready nodes that hold gangs are more than all ready nodes."""
        now, before = self._monotonic(), self._in_outage
        if now - self._counted_at > _COUNT_SECONDS:
            holding = {p.node for p in self._every_pod() if p.node in self._unready and p.alive}
            self._counted_at, self._in_outage = now, len(holding) > len(self._ready)
            if self._in_outage and not before:
                log.warning("most nodes are not ready: none is given up", nodes=len(holding))
        return self._in_outage
