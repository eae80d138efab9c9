"""Counts the nodes and the resources in use on them, for the whole operator.

The watches keep it up to date, and it counts on demand. A count of 5,000 nodes takes some tens of
milliseconds, so equal questions within `FRESH` seconds get the same answer.
"""

from collections.abc import Callable, Iterator, Mapping

from stargate_operator.model.node import Node
from stargate_operator.model.pod import Pod
from stargate_operator.model.resources import Amounts
from stargate_operator.placement.capacity import Count, count, has_labels, labels
from stargate_operator.placement.usage import Usage
from stargate_types import AcceleratorClass, ComputeBlock

FRESH = 1.0

_Asked = tuple[tuple[tuple[str, str], ...], str, int]


class Fleet:
    """The nodes of the cluster and what pods hold of them. Answers what is free.

    The informers feed it. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nodes: dict[str, Node] = {}
        self._usage = Usage()
        self._node_changes = 0
        self._counts: dict[_Asked, tuple[float, Count]] = {}

    @property
    def changes(self) -> tuple[int, int]:
        """A value that stays equal as long as nothing that is counted has changed."""
        return self._node_changes, self._usage.changes

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        self._node_changes += 1
        if new is not None:
            self._nodes[new.name] = new
        elif old is not None and self._nodes.get(old.name, old).uid == old.uid:
            self._nodes.pop(old.name, None)

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Takes a change of a pod of our own gangs."""
        before, after = _held(old), _held(new)
        if before != after:
            self.held(before, after)

    def held(self, before: tuple[str, Amounts] | None, after: tuple[str, Amounts] | None) -> None:
        """Takes what one pod, of whatever owner, held of a node before and holds now."""
        if before is not None:
            self._usage.release(*before)
        if after is not None:
            self._usage.hold(*after)

    def count(
        self,
        block: ComputeBlock | None,
        accelerator_class: AcceleratorClass,
        *,
        domain: tuple[str, str] | None = None,
        fresh: float = FRESH,
    ) -> Count:
        """Counts one class in a block, or in the whole cluster if `block` is None. The answer is at most
        `fresh` seconds old."""
        selector = labels(block.spec.node_selector) if block else ()
        selector += (domain,) if domain else ()
        meta = accelerator_class.metadata
        asked, now = (selector, meta.uid, meta.generation), self._clock()
        known = self._counts.get(asked)
        if known is None or now - known[0] >= fresh:
            self._forget(now)
            found = count(self._with(selector), accelerator_class, self._usage.on)
            known = self._counts[asked] = now, found
        return known[1]

    def domains(self, block: ComputeBlock, key: str) -> list[tuple[str, str]]:
        """The values of the label `key` on the block's nodes, as (key, value)."""
        values = {node.label(key) for node in self._with(labels(block.spec.node_selector))}
        return [(key, value) for value in sorted(value for value in values if value is not None)]

    def _with(self, selector: tuple[tuple[str, str], ...]) -> Iterator[Node]:
        return (node for node in self._nodes.values() if has_labels(node, selector))

    def _forget(self, now: float) -> None:
        for asked, (when, _) in list(self._counts.items()):
            if now - when > 60.0:
                del self._counts[asked]


def _held(pod: Pod | None) -> tuple[str, Mapping[str, int]] | None:
    if pod is None or not pod.node or pod.terminal:
        return None
    return pod.node, pod.requests
