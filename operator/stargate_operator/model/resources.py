"""Amounts of resources, as the scheduler counts them.

Most pods and nodes of a cluster are alike in this, so equal amounts are one object: tens of thousands
of pods cost a pointer each.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import ceil

from stargate_types.quantity import amount

Amounts = Mapping[str, int]
"""Amount by resource: thousandths of a CPU, bytes, or whole units. Shared, so never change one."""


Stated = tuple[tuple[str, "str | int"], ...]


@lru_cache(maxsize=4096)
def amounts(stated: Stated) -> Amounts:
    """Amounts of the resources that decide if a gang fits: CPU, memory, extended ones, pods."""
    return {
        name: _whole(name, quantity)
        for name, quantity in stated
        if name in ("cpu", "memory", "pods") or "/" in name
    }


def _whole(name: str, quantity: str | int) -> int:
    """Rounded up, as the scheduler does."""
    return ceil(amount(quantity) * (1000 if name == "cpu" else 1))
