"""HTTP/1.1 keep-alive connections to one server, as far as a Kubernetes API server speaks it.

Why our own: a create costs 0.12 ms of CPU here and 0.29 ms through aiohttp with everything tuned
(measured against a real API server), and at 5,000 pods a restart that is the
operator's largest cost. What it leaves out on purpose: redirects, cookies, compression, proxies,
pipelining. It knows bytes and framing; it must never know Kubernetes, retry, or log a header
(they carry the bearer token).

See docs/decisions/0005-our-own-transport.md.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol, cast

from stargate_operator.kube.tls import TlsLayer
from stargate_operator.kube.transport import Answer

_HEAD_LIMIT = 64 * 1024
_IDLE_SECONDS = 60.0
"""Shorter than what load balancers and NATs keep, so that no write starts on a dead connection."""
_HIGH_WATER = 1024 * 1024
READ_INTERVAL = 0.05
"""Seconds between two reads of a watch: what comes meanwhile is read in one go."""
UNHEARD_SECONDS = 5.0
"""After which the kernel gives up what a server has not taken. It would go on trying when we have
long given up, or are dead, and an old leader's write would land when the network is whole again."""


class Garbled(ValueError):  # noqa: N818 - reads as what the server's bytes are
    """The bytes are not an HTTP answer."""


class Framing:
    """Cuts one answer out of a connection's bytes: feed it until it is complete.

    No I/O, and the payload goes to `sink` as it comes, so that it serves both whole answers and
    endless watches.
    """

    __slots__ = ("_buffer", "_last", "_left", "_sink", "_step", "complete", "head", "status")

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self.status = 0
        self.head = b""
        self.complete = False
        self._sink = sink
        self._buffer = b""
        self._left = 0
        self._last = False
        # A function, no bound method: a reference cycle per request is work for the collector.
        self._step: Callable[[Framing], bool] = Framing._read_head

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request once this answer is complete."""
        return (
            self.complete
            and not self._buffer
            and self._step is not Framing._read_to_end
            and b"\r\nconnection: close" not in self.head
        )

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._step(self):
            pass

    def close(self) -> None:
        """The peer closed; only an answer without a stated length may end like this."""
        if self._step is Framing._read_to_end:
            self.complete = True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise Garbled("endless header")
            return False
        self.head = self._buffer[:end].lower()
        self._buffer = self._buffer[end + 4 :]
        self.status = _status_of(self.head)
        if self.status >= 200:  # a 1xx is followed by the real head
            self._step = self._choose_body()
        return True

    def _choose_body(self) -> Callable[[Framing], bool]:
        if b"\r\ntransfer-encoding: chunked" in self.head:
            return Framing._read_chunks
        length = _length_of(self.head)
        if length is None and self.status not in (204, 304):
            return Framing._read_to_end
        self._left = length or 0
        return Framing._read_length

    def _read_length(self) -> bool:
        piece = self._buffer[: self._left]
        self._buffer = self._buffer[self._left :]
        self._left -= len(piece)
        if piece:
            self._sink(piece)
        self.complete = self._left == 0
        return False

    def _read_to_end(self) -> bool:
        if self._buffer:
            self._sink(self._buffer)
            self._buffer = b""
        return False

    def _read_chunks(self) -> bool:
        """Payload is handed on as soon as it is here; a watch event need not wait for its chunk."""
        buffer, at = self._buffer, 0
        while at < len(buffer) and not self.complete:
            if self._left:
                piece = buffer[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                self._sink(piece)
                continue
            end = buffer.find(b"\r\n", at)
            if end < 0:
                break
            self._take_chunk_line(buffer[at:end])
            at = end + 2
        self._buffer = buffer[at:]
        return False

    def _take_chunk_line(self, line: bytes) -> None:
        """Between payloads: a line break, the size of the next, and trailers after the last."""
        if self._last:
            self.complete = not line
        elif line:
            self._left = _chunk_size(line)
            self._last = self._left == 0


def _status_of(head: bytes) -> int:
    if not head.startswith(b"http/1.") or not head[9:12].isdigit():
        raise Garbled(f"not an HTTP answer: {head[:40]!r}")
    return int(head[9:12])


def _length_of(head: bytes) -> int | None:
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return None
    value = head[at + 17 :].partition(b"\r\n")[0].strip()
    if not value.isdigit():
        raise Garbled("content-length is not a number")
    return int(value)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise Garbled(f"not a chunk size: {line[:20]!r}") from None


class Listener(Protocol):
    """Whoever waits for what a connection brings."""

    framing: Framing

    def heard(self, data: bytes) -> None: ...

    def lost(self, error: Exception) -> None: ...


class WholeAnswer:
    """One answer, awaited in one piece."""

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


class LineStream:
    """An endless answer, read line by line; silence longer than `idle` ends it with TimeoutError.

    What the consumer has not taken yet is bounded: beyond it the socket is not read, and the
    server, not this process, decides what to do about a slow watcher.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        self.framing = Framing(self._take)
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._idle = idle
        self._lines: deque[bytes] = deque()
        self._tail = b""
        self._held = 0
        self._full = False
        self._resting = False
        self._flows = True
        self._error: Exception | None = None
        self._ended = False
        self._wake: asyncio.Future[None] | None = None
        self._last_heard = loop.time()
        self._timer = loop.call_later(idle, self._check_silence)

    @property
    def status(self) -> int:
        return self.framing.status

    @property
    def head(self) -> bytes:
        return self.framing.head

    async def answered(self) -> None:
        """Returns once the header block is here."""
        while not self.framing.head and not self._ended:
            await self._more()
        if not self.framing.head:
            raise self._error or ConnectionResetError("closed before it answered")

    async def lines(self) -> AsyncIterator[bytes]:
        """Ends where the server ended the answer properly; raises what broke it otherwise."""
        while True:
            while self._lines:
                line = self._lines.popleft()
                self._held -= len(line)
                yield line
            self._resume()
            if self._lines:
                continue
            if self._ended:
                break
            await self._more()
        if self._error:
            raise self._error

    def rest(self) -> bytes:
        """The line that the end of the answer cut off, if any."""
        return self._tail

    def close(self) -> None:
        self._timer.cancel()
        if self.transport is not None:
            self.transport.abort()

    def heard(self, data: bytes) -> None:
        self._last_heard = self._loop.time()
        self.framing.feed(data)
        if self.framing.complete:
            self._ended = True
        else:
            self._full = self._full or self._held > _HIGH_WATER
            self._rest()
        self._notify()

    def lost(self, error: Exception) -> None:
        self.framing.close()
        if not self._ended and not self.framing.complete:
            self._error = error
        self._ended = True
        self._notify()

    def _take(self, piece: bytes) -> None:
        lines = (self._tail + piece if self._tail else piece).split(b"\n")
        self._tail = lines.pop()
        self._lines.extend(lines)
        self._held += len(piece)

    def _resume(self) -> None:
        self._held = len(self._tail)
        if self._full:
            self._full = False
            self._last_heard = self._loop.time()
            self._let_flow()

    def _rest(self) -> None:
        """Waits one read interval, because a wake-up of the loop costs more than an event."""
        if not self._resting:
            self._resting = True
            self._loop.call_later(READ_INTERVAL, self._rested)
        self._let_flow()

    def _rested(self) -> None:
        self._resting = False
        self._let_flow()

    def _let_flow(self) -> None:
        flows = not (self._full or self._resting)
        if flows == self._flows or self._ended or self.transport is None:
            return
        if not self.transport.is_closing():
            self._flows = flows
            (self.transport.resume_reading if flows else self.transport.pause_reading)()

    def _check_silence(self) -> None:
        """A paused stream is silent because of us, which is no fault of the server's."""
        left = self._last_heard + self._idle - self._loop.time()
        if left <= 0 and not self._full:
            self.lost(TimeoutError(f"nothing heard for {self._idle:g} s"))
        else:
            self._timer = self._loop.call_later(max(left, self._idle / 4), self._check_silence)

    async def _more(self) -> None:
        self._wake = self._loop.create_future()
        await self._wake

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


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
        """What was sent reaches the server soon, or never."""
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
    """The connections to one server: as many as there are requests at once, kept for the next."""

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
        """Raises OSError (TimeoutError too) or Garbled; the server may have acted all the same.

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
        """An idle TLS connection holds memory on both sides."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_SECONDS / 2
        for connection in [c for c in self._idle if c.idle_since < oldest]:
            self._idle.remove(connection)
            connection.abort()
        self._reaper = loop.call_later(_IDLE_SECONDS / 2, self._reap) if self._idle else None
