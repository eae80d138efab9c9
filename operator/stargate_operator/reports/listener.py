"""Accepts a limited number of TLS connections at a time.

asyncio's own server accepts every connection and forgets those that never finish their handshake, and
one TLS connection costs 275 KiB here. This loop accepts only while there is a free slot, so the reports
of a whole gang wait in the kernel's backlog. One address (each worker pod has its own) gets a limited
number of slots. Loopback is not limited.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from stargate_operator.telemetry import metrics

_log = structlog.get_logger(__name__)
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_BACKLOG = 4096
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """Bounds on the report server's connections. Times are in seconds."""

    connections: int = 256
    connections_per_address: int = 32
    handshake_seconds: float = 5.0
    shutdown_seconds: float = 1.0


DEFAULT_LIMITS = Limits()


class Slot:
    """The slot of one connection among those allowed. `leave` gives it back; a
    second call does nothing."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def leave(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


Protocols = Callable[[Slot], asyncio.Protocol]


class Listener:
    """Accepts connections within `limits` and makes a protocol for each.

    `protocols` makes the protocol, which must `leave` its slot when the connection is lost. `tls` is
    called for each connection, so that a new certificate counts from the next connection on.
    """

    def __init__(
        self,
        protocols: Protocols,
        tls: Callable[[], ssl.SSLContext],
        limits: Limits,
    ) -> None:
        self._protocols = protocols
        self._tls = tls
        self._limits = limits
        self._room = asyncio.Semaphore(limits.connections)
        self._held: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    @property
    def connections(self) -> int:
        return self._held.total()

    @property
    def accepting(self) -> bool:
        return self._accepting is not None and not self._accepting.done()

    def start(self, host: str, port: int) -> None:
        """With an empty `host` it listens on all addresses, IPv4 and IPv6."""
        self._socket = listening = _listen(host, port)
        listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept_forever(listening))

    async def close(self) -> None:
        tasks = [*self._handshakes, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _accept_forever(self, listening: socket.socket) -> None:
        while True:
            await self._room.acquire()
            try:
                connection, address = await asyncio.get_running_loop().sock_accept(listening)
            except OSError as error:  # most likely no file descriptors are left
                self._room.release()
                _log.warning("could not accept a connection", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._admit(connection, address[0])

    def _admit(self, connection: socket.socket, address: str) -> None:
        slot = self._slot(address)
        if self._is_greedy(address):
            metrics.report_turned_away()
            connection.close()
            slot.leave()
            return
        handshake = asyncio.create_task(self._shake_hands(connection, slot))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    def _slot(self, address: str) -> Slot:
        self._held[address] += 1
        metrics.report_connections(self.connections)
        return Slot(lambda: self._left(address))

    def _left(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        metrics.report_connections(self.connections)
        self._room.release()

    def _is_greedy(self, address: str) -> bool:
        if address.startswith(_LOOPBACK):
            return False
        return self._held[address] > self._limits.connections_per_address

    async def _shake_hands(self, connection: socket.socket, slot: Slot) -> None:
        """Makes the protocol after the handshake. A failed handshake is only logged, at level debug."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocols(slot),
                connection,
                ssl=self._tls(),
                ssl_handshake_timeout=self._limits.handshake_seconds,
                ssl_shutdown_timeout=self._limits.shutdown_seconds,
            )
        except OSError as error:
            _log.debug("a TLS handshake failed", error=type(error).__name__)
            slot.leave()
        except BaseException:
            slot.leave()
            raise


def _listen(host: str, port: int) -> socket.socket:
    if host:
        return _listen_on(host, port)
    with contextlib.suppress(OSError):
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
    return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)


def _listen_on(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
