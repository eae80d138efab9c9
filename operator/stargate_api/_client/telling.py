"""A mapping over attributes: the article reads by key, typed code by attribute, and both are one.

A key is absent while its attribute is None, so that `.get` has its meaning.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class Telling(Mapping[str, Any]):
    """`keys_told` are the attributes that may be read as keys, in their order."""

    keys_told: ClassVar[tuple[str, ...]]

    def __getitem__(self, key: str) -> Any:
        value = getattr(self, key) if key in self.keys_told else None
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key in self.keys_told if getattr(self, key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
