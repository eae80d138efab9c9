"""The nodes that the next attempts avoid for a while: those that were lost or
rejected a pod, a few at most.

Only the status holds them, so a new operator avoids them too. An entry that is over its time is dropped
when an attempt begins, because it is not worth a write of its own.
"""

from collections.abc import Iterable
from datetime import datetime

from stargate_types.status import MAX_AVOIDED_NODES, AvoidedNode


def with_more(
    standing: list[AvoidedNode], names: Iterable[str], *, now: datetime, until: datetime
) -> list[AvoidedNode]:
    """The list with these nodes, as far as there is room. A node that was left out once is left out
    again, so that the list does not change at each pass."""
    known = {node.name for node in standing}
    fresh = [AvoidedNode(name=name, until=_whole(until)) for name in names if name not in known]
    if not fresh:
        return standing
    return [*without_forgotten(standing, now), *fresh][:MAX_AVOIDED_NODES]


def without_forgotten(standing: list[AvoidedNode], now: datetime) -> list[AvoidedNode]:
    return [node for node in standing if node.until > now]


def without(standing: list[AvoidedNode], names: Iterable[str]) -> list[AvoidedNode]:
    back = set(names)
    return [node for node in standing if node.name not in back]


def added(before: list[AvoidedNode], after: list[AvoidedNode]) -> set[str]:
    return {node.name for node in after} - {node.name for node in before}


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
