"""One HTTPS request, with the standard library: to the end of its answer, or of its time.

A server that hangs or drips costs `seconds` at most, and one that talks without end its first
MiB. A connection serves one report: an idle one would cost the operator 275 KiB.
"""

import http.client
import io
import socket
import ssl
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from stargate_worker.errors import NotInAJob
from stargate_worker.protocol import Reply

MAX_ANSWER_BYTES = 1 << 20
_CHUNK = 64 * 1024


class Endpoint:
    """Where this worker reports, and whom it trusts there."""

    def __init__(self, url: str, ca: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._start = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        try:
            self._tls = ssl.create_default_context(cadata=ca)
            # Python 3.13 began to refuse certificates for form's sake that 3.12 takes.
            self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        except (ssl.SSLError, ValueError) as error:
            raise NotInAJob(f"STARGATE_REPORT_CA holds no PEM certificate: {error}") from None

    def post(self, token: str, body: bytes, seconds: float) -> Reply:
        """Raises OSError (TimeoutError too) where no whole answer comes."""
        until = time.monotonic() + seconds
        with socket.create_connection((self._host, self._port), _left(until)) as plain:
            plain.settimeout(_left(until))
            with self._tls.wrap_socket(plain, server_hostname=self._host) as line:
                line.sendall(self._request(token, body))
                return parse(_all_of(line, until))

    def _request(self, token: str, body: bytes) -> bytes:
        head = (
            f"{self._start}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


def read_token(path: str) -> str:
    """Read anew for each report: the kubelet renews the file."""
    token = Path(path).read_text().strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise OSError(f"{path} holds no token")
    return token


def _all_of(line: ssl.SSLSocket, until: float) -> bytes:
    answer = bytearray()
    while len(answer) <= MAX_ANSWER_BYTES:
        line.settimeout(_left(until))
        chunk = line.recv(_CHUNK)
        if not chunk:
            return bytes(answer)
        answer += chunk
    raise ConnectionError("the answer is longer than any of the operator's")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


class _Heard:
    """What http.client needs of a socket to parse bytes that are all here."""

    def __init__(self, heard: bytes) -> None:
        self._heard = heard

    def makefile(self, mode: str) -> io.BytesIO:
        del mode
        return io.BytesIO(self._heard)


def parse(heard: bytes) -> Reply:
    try:
        response = http.client.HTTPResponse(cast("socket.socket", _Heard(heard)), method="POST")
        response.begin()
        return Reply(response.status, response.read(), _seconds(response.getheader("Retry-After")))
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer is no HTTP: {type(error).__name__}") from None


def _seconds(header: str | None) -> float:
    return min(float(header), 60.0) if header and header.isdigit() else 0.0
