"""The namespaces whose jobs this operator runs. Elsewhere it counts pods, and writes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The namespaces; None stands for all, present and future."""

    namespaces: tuple[str, ...] | None = None

    def __contains__(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The parts that each have their own watch: each namespace, or all at once."""
        return (None,) if self.namespaces is None else self.namespaces

    def without(self, refused: Iterable[str]) -> "Scope":
        if self.namespaces is None:
            return self
        return Scope(tuple(each for each in self.namespaces if each not in set(refused)))


EVERYWHERE = Scope()
