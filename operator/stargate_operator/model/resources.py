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
"""By resource: thousandths of a CPU, bytes, or whole things of all else. Shared: never changed."""


Stated = tuple[tuple[str, "str | int"], ...]


@lru_cache(maxsize=4096)
def amounts(stated: Stated) -> Amounts:
    """Of what counts where a gang is to fit: CPU, memory, extended resources and a node's pods."""
    return {
        name: _whole(name, quantity)
        for name, quantity in stated
        if name in ("cpu", "memory", "pods") or "/" in name
    }


def _whole(name: str, quantity: str | int) -> int:
    """Rounded up, as the scheduler does."""
    return ceil(amount(quantity) * (1000 if name == "cpu" else 1))
