"""A mapping over attributes, so that `status["state"]` and `status.state` are the same value.

The key access is what a researcher writes; the attributes are what a type checker understands. A key
is absent while its attribute is None, so `.get(key, default)` works as it does for a dictionary.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class AttributeMapping(Mapping[str, Any]):
    """Base class of `JobStatus` and `AvailableCompute`.

    `mapping_keys` names the attributes that can be read as keys, in iteration order. Reading a key
    that is not among them, or whose attribute is None, raises KeyError.
    """

    mapping_keys: ClassVar[tuple[str, ...]]

    def __getitem__(self, key: str) -> Any:
        value = getattr(self, key) if key in self.mapping_keys else None
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key in self.mapping_keys if getattr(self, key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
