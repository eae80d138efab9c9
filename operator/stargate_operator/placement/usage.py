"""Sums up what all pods hold on each node, in constant time for each change of a pod."""

from stargate_operator.model.pod import NOTHING
from stargate_operator.model.resources import Amounts


class Usage:
    """The resources that pods hold of each node: thousandths of a CPU, bytes, whole devices."""

    def __init__(self) -> None:
        self.changes = 0
        self._by_node: dict[str, dict[str, int]] = {}

    def on(self, node: str) -> Amounts:
        return self._by_node.get(node, NOTHING)

    def hold(self, node: str, requests: Amounts) -> None:
        self._add(node, requests, 1)

    def release(self, node: str, requests: Amounts) -> None:
        self._add(node, requests, -1)
        held = self._by_node[node]
        if not held["pods"]:
            del self._by_node[node]

    def _add(self, node: str, requests: Amounts, sign: int) -> None:
        self.changes += 1
        held = self._by_node.setdefault(node, {"pods": 0})
        held["pods"] += sign
        for name, number in requests.items():
            held[name] = held.get(name, 0) + sign * number
