"""A credential that does not show: neither in a repr nor in a traceback that prints variables."""


class Secret(str):
    """A string, so that it can be sent; whoever prints what holds it sees stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
