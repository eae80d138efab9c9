"""Which nodes the next attempts avoid: those that were lost, for a while, a few at most.

The status is the one memory of it, so that a new operator avoids them too. What is over its time is
dropped when an attempt begins: forgetting is not worth a write of its own.
"""

from collections.abc import Iterable
from datetime import datetime

from stargate_types.status import MAX_AVOIDED_NODES, AvoidedNode


def with_lost(
    standing: list[AvoidedNode], lost: Iterable[str], *, now: datetime, until: datetime
) -> list[AvoidedNode]:
    """As long as there is room: what is left out is left out again, so that nothing goes to and fro."""
    known = {each.name for each in standing}
    fresh = [AvoidedNode(name=name, until=_whole(until)) for name in lost if name not in known]
    if not fresh:
        return standing
    return [*without_forgotten(standing, now), *fresh][:MAX_AVOIDED_NODES]


def without_forgotten(standing: list[AvoidedNode], now: datetime) -> list[AvoidedNode]:
    return [each for each in standing if each.until > now]


def without(standing: list[AvoidedNode], names: Iterable[str]) -> list[AvoidedNode]:
    back = set(names)
    return [each for each in standing if each.name not in back]


def added(before: list[AvoidedNode], after: list[AvoidedNode]) -> set[str]:
    return {each.name for each in after} - {each.name for each in before}


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
