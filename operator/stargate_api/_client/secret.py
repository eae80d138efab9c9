"""A credential that is never printed: not in a repr, nor in a traceback that shows variables."""


class Secret(str):
    """A string that can be sent as it is, and whose repr is stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
