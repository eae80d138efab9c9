"""The resources that a pod requests of its node, as the scheduler counts them.

Most pods of a cluster have the same requests. Equal requests are one object, so each of tens of
thousands of pods costs a pointer.
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

    name: str = ""
    resources: Resources = Resources()
    restart_policy: str = ""

    @property
    def stays(self) -> bool:
        """True for an init container that keeps running beside the containers after it."""
        return self.restart_policy == "Always"


class Asking(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The part of a pod's spec that says what it requests."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: dict[str, str | int] | None = None
    resources: Resources | None = None


def requests_of(asking: Asking) -> Amounts:
    return _effective(
        tuple(_stated(container.resources.requests) for container in asking.containers or ()),
        tuple(
            (_stated(container.resources.requests), container.stays)
            for container in asking.init_containers or ()
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
    """The most that the pod needs at any time. Init containers run one by one, before the others."""
    staying: dict[str, int] = {}
    peak: dict[str, int] = {}
    for stated, stays in init:
        needed = _sum([staying, amounts(stated)])
        peak = _larger(peak, needed)
        staying = needed if stays else staying
    running = _sum([staying, *map(amounts, containers)])
    stated_of_pod = {**_larger(peak, running), **amounts(whole_pod)}
    return _sum([stated_of_pod, amounts(overhead)])


def _sum(addends: Iterable[Amounts]) -> dict[str, int]:
    found: dict[str, int] = {}
    for addend in addends:
        for name, number in addend.items():
            found[name] = found.get(name, 0) + number
    return found


def _larger(one: Amounts, other: Amounts) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
