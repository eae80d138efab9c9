"""All that can happen in a world: each act has a name, a weight, and dice of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.simulation.world import World

Do = Callable[[World, Random], str | None]
"""Does it, and says to whom; None where there is nothing that it could be done to."""


@dataclass(frozen=True)
class Act:
    weight: float
    do: Do


def perform(world: World, acts: Mapping[str, Act], what: str, seed: int) -> None:
    details = acts[what].do(world, Random(seed))
    if details is not None:
        world.note(what, details)
