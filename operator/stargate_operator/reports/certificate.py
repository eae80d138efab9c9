"""The serving certificate: two mounted files that are read again when they change, without a restart.

A changed pair is loaded into a new context, which is used only if the pair is complete: half of a
rotation in the live context would leave it without a key. Each connection asks for `context`, so the
next handshake uses the new one.
"""

import asyncio
import ssl
from pathlib import Path

import structlog

POLL_SECONDS = 5.0

_log = structlog.get_logger(__name__)
_Print = tuple[tuple[int, int, int], ...]


class ServingCertificate:
    """The report server's certificate and key, read again when the files change."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises OSError or ssl.SSLError if there is no usable pair to start with."""
        self._certificate = certificate
        self._key = key
        self._seen = self._fingerprint()
        self._context = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        return self._context

    def reload_if_changed(self) -> bool:
        """Loads a changed pair. If it cannot be loaded, the old pair stays and
        the next call tries again."""
        try:
            found = self._fingerprint()
            if found == self._seen:
                return False
            self._context = self._load()
        except OSError as error:  # ssl.SSLError is one
            _log.warning("the serving certificate could not be reloaded", error=str(error))
            return False
        self._seen = found
        _log.info("the serving certificate was reloaded", path=str(self._certificate))
        return True

    async def watch(self, poll_seconds: float = POLL_SECONDS) -> None:
        while True:
            await asyncio.sleep(poll_seconds)
            self.reload_if_changed()

    def _fingerprint(self) -> _Print:
        """Has the inode too: a mounted Secret is replaced by a symlink, and
        modification times may be equal."""
        stats = (path.stat() for path in (self._certificate, self._key))
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.num_tickets = 0  # each report has its own connection, and few clients resume
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        return context
