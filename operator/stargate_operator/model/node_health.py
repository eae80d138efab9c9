"""What a job must know of the nodes that its pods are on: which are not ready, and which are lost.

A node is lost when it has not been ready for a stated time. While more nodes that hold gangs are not
ready than there are ready nodes, none is given up: that looks like a control plane that is cut off
from its nodes, where training may well go on, and there would be no room for what was restarted.

See docs/decisions/0008-when-a-node-is-given-up.md.
See docs/decisions/0020-an-outage-gives-up-no-node.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stargate_operator.model.pod import Pod

STUCK_AFTER = timedelta(seconds=10)
"""Past the end of a pod's grace, on a lost node whose kubelet still speaks: it might obey late."""
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class UnreadyNode:
    """`since`: when this operator first saw it so, whatever clocks say. `silent`: its kubelet says
    nothing, or the node is gone; one that speaks is still there to end its pods itself."""

    name: str
    since: datetime
    silent: bool = True


@dataclass(frozen=True)
class NodeHealth:
    """`unready` are the nodes that hold live pods of the job; `ready_again` those nodes that it avoids
    and that are ready now."""

    unready: Mapping[str, UnreadyNode] = field(default_factory=dict)
    ready_again: frozenset[str] = frozenset()
    outage: bool = False
    lost_after: timedelta = timedelta(seconds=30)
    avoided_for: timedelta = timedelta(seconds=600)

    def lost(self, now: datetime) -> dict[str, UnreadyNode]:
        """Those that are given up, the longest lost first."""
        if self.outage:
            return {}
        found = [each for each in self.unready.values() if now >= each.since + self.lost_after]
        return {each.name: each for each in sorted(found, key=lambda each: each.since)}

    def gives_up(self, pod: Pod, now: datetime) -> bool:
        """Whether a pod that is to go is to be taken for gone: nobody is there to end it."""
        node = self.lost(now).get(pod.node) if self.unready else None
        if node is None or not pod.alive:
            return False
        if node.silent:
            return True
        grace_ends = pod.deletion_at if pod.deleting else None
        return grace_ends is not None and now.timestamp() >= grace_ends + STUCK_AFTER.seconds

    def look_again_at(self, now: datetime) -> datetime | None:
        """When a node may have become lost, or a pod on a lost one stuck."""
        dues = (each.since + self.lost_after for each in self.unready.values())
        return min((due if due > now else now + LOOK_AGAIN for due in dues), default=None)
