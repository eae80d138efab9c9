"""All that can happen in a world: each act has a name, a weight, and dice of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tests.simulation.world import World

T = TypeVar("T")

Do = Callable[[World, Random], str | None]
"""Does it, and says to whom; None where there is nothing that it could be done to."""


@dataclass(frozen=True)
class Act:
    weight: float
    do: Do


def any_of(dice: Random, found: Sequence[T]) -> T | None:
    return dice.choice(found) if found else None


def perform(world: World, acts: Mapping[str, Act], what: str, seed: int) -> None:
    details = acts[what].do(world, Random(seed))
    if details is not None:
        world.note(what, details)
