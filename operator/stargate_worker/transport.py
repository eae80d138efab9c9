"""Sends one HTTPS request with the standard library, within a bounded time and size.

A server that hangs or sends slowly costs `seconds` at most, and one that sends without end costs
1 MiB. A connection serves one report: an idle one would cost the operator 275 KiB of memory.
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
    """The URL to which this worker reports, and the CA that it trusts there.

    Raises NotInAJob where the CA is not a certificate.
    """

    def __init__(self, url: str, ca: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._start = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        try:
            self._tls = ssl.create_default_context(cadata=ca)
            # Python 3.13 refuses certificates over formalities that 3.12 ignores.
            self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        except (ssl.SSLError, ValueError) as error:
            raise NotInAJob(f"STARGATE_REPORT_CA holds no PEM certificate: {error}") from None

    def post(self, token: str, body: bytes, seconds: float) -> Reply:
        """The answer to one POST. Raises OSError where no whole answer comes within `seconds`."""
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
    """The token in a file; read it for each report, because the kubelet renews it. Raises OSError."""
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
    raise ConnectionError("the answer is longer than any answer of the operator")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


class _ReceivedBytes:
    """The part of a socket that http.client needs to parse bytes which are all received."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> io.BytesIO:
        del mode
        return io.BytesIO(self._received)


def parse(received: bytes) -> Reply:
    """Parses a whole HTTP answer. Raises ConnectionError where it is none."""
    try:
        response = http.client.HTTPResponse(
            cast("socket.socket", _ReceivedBytes(received)), method="POST"
        )
        response.begin()
        return Reply(response.status, response.read(), _seconds(response.getheader("Retry-After")))
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer is not HTTP: {type(error).__name__}") from None


def _seconds(header: str | None) -> float:
    return min(float(header), 60.0) if header and header.isdigit() else 0.0
