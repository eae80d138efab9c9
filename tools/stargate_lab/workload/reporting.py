"""The reports of a worker to the operator, through a plain HTTP client.

It shares no code with the operator on purpose: it is written from the protocol's documentation. Each
report uses a new TLS connection, which the server closes.
"""

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from stargate_lab.workload.training import Json

AT_ONCE = 64
ANSWER_SECONDS = 20.0
"""Longer than the operator needs at most to write a checkpoint to the status."""
_LONGEST_PAUSE = 10.0
_STOP = frozenset({"StaleAttempt", "NotFound"})
_ALREADY_SO = frozenset({"AlreadyComplete", "OlderCheckpoint"})

Token = Callable[[], Awaitable[str]]


class Post(Protocol):
    """Raises OSError (or TimeoutError) if no answer comes."""

    async def __call__(self, token: str, report: Json) -> "Reply": ...


class Dismissed(Exception):  # noqa: N818 - an answer, not an error
    """The operator wants no more reports of this rank: its attempt is over."""


class Rejected(Exception):  # noqa: N818
    """The operator refuses a report as invalid: a bug on one of the two sides."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: Json = field(default_factory=dict)
    retry_after: float = 0.0

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))


class Server:
    """The report server of a gang: the URL and the CA of its environment."""

    def __init__(self, url: str, ca: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._start = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._tls = ssl.create_default_context(cadata=ca)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def post(self, token: str, report: Json) -> Reply:
        request = self._request(token, json.dumps(report).encode())
        async with self._room, asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            try:
                writer.write(request)
                return parse(await reader.read())
            finally:
                writer.transport.abort()

    def _request(self, token: str, body: bytes) -> bytes:
        head = (
            f"{self._start}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


def parse(answer: bytes) -> Reply:
    head, complete, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    if not complete or not status.startswith("HTTP/1.1 "):
        raise ConnectionResetError("the answer ended early")
    headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
    try:
        decoded = json.loads(body)
    except ValueError:
        raise ConnectionResetError("the answer ended early") from None
    return Reply(int(status.split()[1]), decoded, float(headers.get("retry-after", 0)))


class ReportClient:
    """One rank's line to the operator; its token is got before the first report, and kept."""

    def __init__(self, post: Post, token: Token) -> None:
        self._post = post
        self._new_token = token
        self._token = ""

    async def send_until_accepted(self, report: Json) -> Json:
        """Sends a report until it is accepted, however long the operator is away."""
        failures = 0
        while True:
            reply = await self._try(report)
            if reply is not None and reply.status == 200:
                return reply.body
            if reply is not None and reply.reason in _ALREADY_SO:
                return {}
            failures += 1
            await asyncio.sleep(_pause(reply, failures))

    async def send_once(self, report: Json) -> Json:
        """Sends a report once, because the next one replaces it. Empty if it was not accepted."""
        reply = await self._try(report)
        return reply.body if reply is not None and reply.status == 200 else {}

    async def _try(self, report: Json) -> Reply | None:
        """The reply; None if there was no answer."""
        try:
            self._token = self._token or await self._new_token()
            reply = await self._post(self._token, report)
        except OSError:
            return None
        self._judge(reply)
        return reply

    def _judge(self, reply: Reply) -> None:
        if reply.reason in _STOP:
            raise Dismissed(reply.body.get("message", ""))
        if reply.status == 401:
            self._token = ""
        elif reply.status in (400, 403, 405, 413, 415):
            raise Rejected(f"{reply.status} {reply.body.get('message', '')}")


def _pause(reply: Reply | None, failures: int) -> float:
    """The server's delay plus a random part, because a whole gang may be waiting."""
    asked = reply.retry_after if reply else 0.0
    backoff: float = min(_LONGEST_PAUSE, 0.25 * 2 ** min(failures, 10))
    return asked + random.uniform(0.5, 1.0) * backoff
