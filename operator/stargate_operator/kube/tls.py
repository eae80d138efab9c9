"""TLS over a plain TCP transport, for watches: pausing one of them pauses its socket.

A wake-up of the loop for each event costs more than the event. A watch therefore reads at intervals, and
the loop's own TLS transport would go on reading its socket while it is paused.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

_READ = 256 * 1024


class TlsLayer(asyncio.Protocol):
    """Towards the socket a protocol, towards `inner` its transport; `ready` after the handshake."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        *,
        context: ssl.SSLContext,
        server_name: str | None,
        ready: asyncio.Future[None],
    ) -> None:
        self._inner = inner
        self._ready = ready
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self._ready.done():
                self._shake_hands()
            if self._ready.done():
                self._hand_over()
        except ssl.SSLError as error:
            self.connection_lost(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ready.done():
            self._ready.set_exception(exc or ConnectionResetError("closed in the TLS handshake"))
        inner, self._inner = self._inner, asyncio.Protocol()
        inner.connection_lost(exc)

    def write(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def pause_reading(self) -> None:
        if not self.is_closing():
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_closing():
            self._socket.resume_reading()

    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def _socket(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        self._flush()
        self._inner.connection_made(cast("asyncio.Transport", self))
        self._ready.set_result(None)

    def _hand_over(self) -> None:
        parts: list[bytes] = []
        try:
            while data := self._tls.read(_READ):
                parts.append(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._socket.close()
        self._flush()
        if parts:
            self._inner.data_received(b"".join(parts))

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._socket.write(self._outgoing.read())
