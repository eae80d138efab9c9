"""What a pod requests of its node, as the scheduler counts it.

Most pods of a cluster are alike in this, so equal requests are one object: tens of thousands of pods
cost a pointer each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from stargate_operator.model.resources import Amounts, Stated, amounts


class Resources(msgspec.Struct, frozen=True, gc=False):
    """`resources` of a container: its requests, as quantities."""

    requests: dict[str, str | int] | None = None


class Container(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A container, or an init container, as far as it matters for a pod's requests."""

    resources: Resources = Resources()
    restart_policy: str = ""

    @property
    def stays(self) -> bool:
        """An init container that goes on beside those after it."""
        return self.restart_policy == "Always"


class Asking(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The part of a pod's spec that says what it requests."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: dict[str, str | int] | None = None
    resources: Resources | None = None


def requests_of(asking: Asking) -> Amounts:
    return _effective(
        tuple(_stated(each.resources.requests) for each in asking.containers or ()),
        tuple(
            (_stated(each.resources.requests), each.stays) for each in asking.init_containers or ()
        ),
        _stated(asking.overhead),
        _stated(asking.resources.requests) if asking.resources else (),
    )


def _stated(quantities: Mapping[str, str | int] | None) -> Stated:
    return tuple(quantities.items()) if quantities else ()


@lru_cache(maxsize=4096)
def _effective(
    containers: tuple[Stated, ...],
    init: tuple[tuple[Stated, bool], ...],
    overhead: Stated,
    whole_pod: Stated,
) -> Amounts:
    """The most that the pod needs at any one time: init containers run one by one, before the rest."""
    staying: dict[str, int] = {}
    peak: dict[str, int] = {}
    for stated, stays in init:
        needed = _sum([staying, amounts(stated)])
        peak = _larger(peak, needed)
        staying = needed if stays else staying
    running = _sum([staying, *map(amounts, containers)])
    stated_of_pod = {**_larger(peak, running), **amounts(whole_pod)}
    return _sum([stated_of_pod, amounts(overhead)])


def _sum(each: Iterable[Amounts]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in each:
        for name, number in one.items():
            found[name] = found.get(name, 0) + number
    return found


def _larger(one: Amounts, other: Amounts) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
