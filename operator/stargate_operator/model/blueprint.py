"""The input of an attempt's manifests: the objects that its job refers to, resolved, and its place."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from stargate_feasibility import resolution
from stargate_feasibility.resolution import Refusal, Resolution, identity
from stargate_types import AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime

__all__ = ["Blueprint", "Place", "Refusal", "identity", "resolve"]


@dataclass(frozen=True)
class Place:
    """The compute block that an attempt is put into, and the topology domain inside it, if any."""

    block: ComputeBlock
    domain: tuple[str, str] | None = None

    @property
    def block_id(self) -> str:
        return identity(self.block.metadata)

    @property
    def node_selector(self) -> dict[str, str]:
        return {
            **(self.block.spec.node_selector or {}),
            **dict([self.domain] if self.domain else []),
        }


@dataclass(frozen=True)
class Blueprint(Resolution):
    """The input of one attempt's manifests. `place` is None if the job asks for no block."""

    place: Place | None = None

    def at(self, place: Place) -> Self:
        return replace(self, place=place)

    @property
    def block_id(self) -> str | None:
        return self.place.block_id if self.place else None

    @property
    def domain(self) -> str | None:
        return "=".join(self.place.domain) if self.place and self.place.domain else None


def resolve(
    job: StargateJob, *, runtimes: Iterable[StargateRuntime], classes: Iterable[AcceleratorClass]
) -> Blueprint | Refusal:
    """Without a place: that depends on what is free."""
    found = resolution.resolve(job, runtimes=runtimes, classes=classes)
    return found if isinstance(found, Refusal) else Blueprint(**vars(found))
