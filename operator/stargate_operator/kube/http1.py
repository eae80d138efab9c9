"""HTTP/1.1 keep-alive connections to one server: the part of HTTP that an API server uses.

Why our own: a create costs 0.12 ms of CPU here and 0.29 ms through aiohttp with everything tuned
(measured against a real API server), and at 5,000 pods a restart that is the
operator's largest cost. It leaves out on purpose: redirects, cookies, compression, proxies,
pipelining. It knows bytes and framing; it must never know Kubernetes, retry, or log a header
(they carry the bearer token).

See docs/decisions/0005-our-own-transport.md.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from stargate_operator.kube.framing import Framing, Garbled
from stargate_operator.kube.line_stream import LineStream
from stargate_operator.kube.tls import TlsLayer
from stargate_operator.kube.transport import Answer

_IDLE_SECONDS = 60.0
"""Shorter than what load balancers and NATs keep, so that no write starts on a dead connection."""
UNHEARD_SECONDS = 5.0
"""Seconds after which the kernel drops data that the server has not acknowledged. Without it the
kernel would go on after we have given up or died, and the write of an old leader would arrive later."""


class Listener(Protocol):
    """The reader of one answer."""

    framing: Framing

    def heard(self, data: bytes) -> None: ...

    def lost(self, error: Exception) -> None: ...


class WholeAnswer:
    """Reads an answer and gives it in one piece."""

    __slots__ = ("_parts", "done", "framing")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._parts: list[bytes] = []
        self.framing = Framing(self._parts.append)
        self.done: asyncio.Future[Answer] = loop.create_future()

    def heard(self, data: bytes) -> None:
        self.framing.feed(data)
        self._settle()

    def lost(self, error: Exception) -> None:
        self.framing.close()
        self._settle()
        if not self.done.done():
            self.done.set_exception(error)

    def expire(self) -> None:
        self.lost(TimeoutError())

    def _settle(self) -> None:
        framing = self.framing
        if framing.complete and not self.done.done():
            self.done.set_result(Answer(framing.status, framing.head, b"".join(self._parts)))


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, listener: Listener) -> None:
        if self._transport is None:
            raise ConnectionResetError("connection lost")
        self._listener = listener
        self._transport.write(request)

    def limit_delivery(self) -> None:
        """Makes the kernel send data soon or never."""
        if self._transport is not None and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
            tcp = self._transport.get_extra_info("socket")
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNHEARD_SECONDS * 1000))

    def attach(self, stream: LineStream) -> None:
        stream.transport = self._transport

    def abort(self) -> None:
        self._listener = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's TLS one is no subclass

    def data_received(self, data: bytes) -> None:
        listener = self._listener
        if listener is None:
            return self.abort()  # nobody asked: an answer to nothing must not answer the next one
        try:
            listener.heard(data)
        except Garbled as error:
            listener.lost(error)
            return self.abort()
        if listener.framing.complete:
            self._listener = None
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(exc or ConnectionResetError("connection closed by the server"))
        self._on_lost(self)


class ConnectionPool:
    """The connections to one server: one for each request in flight, and idle ones for the next."""

    def __init__(
        self, *, host: str, port: int, tls: ssl.SSLContext | None, server_name: str | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._server_name = (server_name or host) if tls else None
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._reaper: asyncio.TimerHandle | None = None

    async def request(
        self, request: bytes, timeout: float, *, fence: Callable[[], None] | None = None
    ) -> Answer:
        """Raises OSError (also TimeoutError) or Garbled. The server may have acted nevertheless.

        `fence` is asked last, when there is a connection to send on, which may have taken a while:
        what it raises keeps the request from being sent.
        """
        loop = asyncio.get_running_loop()
        connection = await self._connection(timeout)
        answer = WholeAnswer(loop)
        timer = loop.call_later(timeout, answer.expire)
        try:
            if fence is not None:
                fence()
            connection.send(request, answer)
            result = await answer.done
        except BaseException:
            connection.abort()
            raise
        finally:
            timer.cancel()
        self._keep(connection, reusable=answer.framing.reusable)
        return result

    async def stream(self, request: bytes, *, timeout: float, idle: float) -> LineStream:
        """The caller closes it. Its connection is never shared."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            connection = await (self._connect_layered() if self._tls else self._connect())
        stream = LineStream(loop=loop, idle=idle)
        connection.attach(stream)
        try:
            connection.send(request, stream)
            async with asyncio.timeout(timeout):
                await stream.answered()
        except BaseException:
            stream.close()
            raise
        return stream

    async def close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the transports tell that they are closed

    async def _connection(self, timeout: float) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        async with asyncio.timeout(timeout):
            return await self._connect()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._all.discard),
            self._host,
            self._port,
            ssl=self._tls,
            server_hostname=self._server_name,
        )
        self._all.add(connection)
        connection.limit_delivery()
        return connection

    async def _connect_layered(self) -> Connection:
        assert self._tls is not None
        loop = asyncio.get_running_loop()
        connection, ready = Connection(self._all.discard), loop.create_future()
        layer = TlsLayer(connection, context=self._tls, server_name=self._server_name, ready=ready)
        await loop.create_connection(lambda: layer, self._host, self._port)
        try:
            await ready
        except BaseException:
            layer.abort()
            raise
        self._all.add(connection)
        return connection

    def _keep(self, connection: Connection, *, reusable: bool) -> None:
        if not reusable or not connection.usable:
            return connection.abort()
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._reaper is None:
            self._reaper = loop.call_later(_IDLE_SECONDS / 2, self._reap)
        return None

    def _reap(self) -> None:
        """Closes connections that are idle, because they hold memory on both sides."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_SECONDS / 2
        for connection in [c for c in self._idle if c.idle_since < oldest]:
            self._idle.remove(connection)
            connection.abort()
        self._reaper = loop.call_later(_IDLE_SECONDS / 2, self._reap) if self._idle else None
