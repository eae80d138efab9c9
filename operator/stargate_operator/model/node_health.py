"""The health of the nodes of one job: which are not ready, and which are lost.

A node is lost when it has not been ready for a stated time. While more nodes that hold gangs are not
ready than there are ready nodes, none is given up. The control plane is then probably cut off from
its nodes, training may go on there, and a restarted gang would find no room.

See docs/decisions/0008-when-a-node-is-given-up.md.
See docs/decisions/0020-an-outage-gives-up-no-node.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stargate_operator.model.pod import Pod

STUCK_AFTER = timedelta(seconds=10)
"""Time after a pod's grace, on a lost node whose kubelet still reports: it may end the pod late."""
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class UnreadyNode:
    """A node that is not ready. `since` is when this operator first saw it so, by its own clock.

    `silent`: its kubelet does not report, or the node is gone. A kubelet that reports can still end its
    pods itself."""

    name: str
    since: datetime
    silent: bool = True


@dataclass(frozen=True)
class NodeHealth:
    """`unready` are the nodes that hold live pods of the job and are not ready. `ready_again` are the
    nodes that the job avoids and that are ready now."""

    unready: Mapping[str, UnreadyNode] = field(default_factory=dict)
    ready_again: frozenset[str] = frozenset()
    outage: bool = False
    lost_after: timedelta = timedelta(seconds=30)
    avoided_for: timedelta = timedelta(seconds=600)

    def lost(self, now: datetime) -> dict[str, UnreadyNode]:
        """The nodes that are given up, by name. The one that was lost first comes first."""
        if self.outage:
            return {}
        found = [node for node in self.unready.values() if now >= node.since + self.lost_after]
        return {node.name: node for node in sorted(found, key=lambda node: node.since)}

    def gives_up(self, pod: Pod, now: datetime) -> bool:
        """True if a pod that must go counts as gone, because nobody is there to end it."""
        node = self.lost(now).get(pod.node) if self.unready else None
        if node is None or not pod.alive:
            return False
        if node.silent:
            return True
        grace_ends = pod.deletion_at if pod.deleting else None
        return grace_ends is not None and now.timestamp() >= grace_ends + STUCK_AFTER.seconds

    def look_again_at(self, now: datetime) -> datetime | None:
        """The next time when a node may be lost, or a pod on a lost node may be stuck."""
        dues = (node.since + self.lost_after for node in self.unready.values())
        return min((due if due > now else now + LOOK_AGAIN for due in dues), default=None)
