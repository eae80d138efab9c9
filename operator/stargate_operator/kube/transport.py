"""The client's port to the network: a request's bytes go out, an answer or a stream of lines comes back.

`http1` implements it over TCP and TLS. Tests implement it over an API server in memory, so that the
client's retries, limits, fences and decoding run for real there too.
"""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

Jitter = Callable[[float, float], float]
"""A number between two bounds, as `random.uniform` gives it."""


class Answer(NamedTuple):
    """The whole answer to one request."""

    status: int
    head: bytes
    """The header block in lower case: enough for the two headers anybody asks for."""
    body: bytes


class Stream(Protocol):
    """The answer to a watch. The caller closes it."""

    @property
    def status(self) -> int: ...

    @property
    def head(self) -> bytes: ...

    def lines(self) -> AsyncIterator[bytes]:
        """Ends where the server ended the answer properly; raises what broke it otherwise."""

    def rest(self) -> bytes:
        """The line that the end of the answer cut off, if any."""

    def close(self) -> None: ...


class Transport(Protocol):
    """Sends requests to one server. `kube/http1.py` implements it."""

    async def request(
        self, request: bytes, timeout: float, *, fence: Callable[[], None] | None = None
    ) -> Answer:
        """Raises OSError (TimeoutError too) or Garbled; the server may have acted all the same.

        `fence` is asked last, when there is a connection to send on, which may have taken a while:
        what it raises keeps the request from being sent.
        """

    async def stream(self, request: bytes, *, timeout: float, idle: float) -> Stream:
        """`idle`: seconds of silence that end the stream with TimeoutError."""

    async def close(self) -> None: ...
