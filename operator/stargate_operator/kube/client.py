"""Requests to the API server, at the cost and with the manners of the hot path.

Every write is fenced (`guard`, before it queues and again when its turn comes) and bounded in
concurrency by the server's own 429s. Every write is retried here, because it is safe to send twice:
every name we create is deterministic, and callers judge a 409 by UID. It never sends a write
without the guard, except the lease's own, and it never logs a body or a header.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from stargate_operator.kube import errors
from stargate_operator.kube.aimd import Limiter
from stargate_operator.kube.config import Endpoint
from stargate_operator.kube.delete_options import delete_options
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.framing import Garbled
from stargate_operator.kube.http1 import ConnectionPool
from stargate_operator.kube.meta import ObjectMeta, Partial
from stargate_operator.kube.transport import Answer, Jitter, Transport

T = TypeVar("T")
Query = Mapping[str, str]

WRITE_TIMEOUT = 5.0
"""Seconds that a guard must leave of the lease. The server gets the same limit and gives up no later."""
READ_TIMEOUT = 30.0
"""Seconds for one page of a list from a busy server. No fence depends on it."""
SILENCE = 90.0
"""Seconds without an event after which a watch is dead. Bookmarks come every minute."""

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_JSON}"
_ATTEMPTS_WHEN_THROTTLED = 10
_ATTEMPTS_WHEN_UNREACHABLE = 5
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0


class Client:
    """The client of one API server. Reads, fenced writes and watches go through it.

    `guard` raises where this process must not write any more. `in_flight`: the most writes at once.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        guard: Callable[[], None] | None = None,
        in_flight: int = 32,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
    ) -> None:
        """`transport` None: connections to the endpoint. `clock` is monotonic, in seconds."""
        self.guard: Callable[[], None] = guard or _no_guard
        self.limiter = Limiter(in_flight, clock)
        self.on_request: Callable[[str, int, float], None] | None = None
        """Called with (verb, status or 0, seconds) after every exchange, for metrics."""
        self._authorization = endpoint.authorization
        self._clock = clock
        self._jitter = jitter
        self._transport = transport or _connections_to(endpoint)
        self._prefix, self._headers = _written_to(endpoint, user_agent)
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.close()

    async def get(self, path: str, as_: type[T], *, query: Query | None = None) -> T:
        return self._decode(await self.get_raw(path, query=query), as_)

    async def get_raw(
        self, path: str, *, query: Query | None = None, priority: bool = False
    ) -> bytes:
        """`priority`: one try without retries, for a caller with a deadline of its own."""
        target = _target(path, query)

        async def read() -> Answer:
            return await self._exchange("GET", target, timeout=READ_TIMEOUT)

        return (await (read() if priority else self._persist(read))).body

    async def create(self, path: str, body: bytes) -> ObjectMeta:
        answer = await self._write("POST", path, body, accept=_METADATA)
        return self._decode(answer.body, Partial).metadata

    async def create_for(
        self,
        path: str,
        body: bytes,
        as_: type[T],
        *,
        query: Query | None = None,
        priority: bool = False,
    ) -> T:
        """Returns the whole answer, which is the purpose of reviews and dry runs."""
        answer = await self._write("POST", _target(path, query), body, priority=priority)
        return self._decode(answer.body, as_)

    async def put(self, path: str, body: bytes, as_: type[T], *, priority: bool = False) -> T:
        """Returns the whole answer: the next write needs its resourceVersion. `bytes` gives it raw."""
        answer = await self._write("PUT", path, body, priority=priority)
        return self._decode(answer.body, as_)

    async def patch(self, path: str, body: bytes, content_type: str = MERGE_PATCH) -> ObjectMeta:
        answer = await self._write("PATCH", path, body, accept=_METADATA, content_type=content_type)
        return self._decode(answer.body, Partial).metadata

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str | None = None,
    ) -> None:
        """Returns when the server has accepted the delete, or says that this object is gone already."""
        body = delete_options(uid=uid, grace=grace, propagation=propagation)
        try:
            await self._write("DELETE", path, body, accept=_METADATA)
        except ApiError as error:
            name = path.rpartition("/")[2]
            if not (error.says_gone(name) or (uid is not None and _is_another(error))):
                raise

    async def stream(
        self, path: str, *, query: Query | None = None, idle: float = SILENCE
    ) -> AsyncGenerator[bytes, None]:
        """Yields the lines of a watch until the server ends it. Close it with `aclosing`."""
        request = self._request("GET", _target(path, query), b"", _JSON, _JSON)
        started = self._clock()
        try:
            stream = await self._transport.stream(request, timeout=READ_TIMEOUT, idle=idle)
        except (OSError, Garbled) as error:
            self._tell("WATCH", 0, started)
            raise _trouble(error, READ_TIMEOUT) from error
        try:
            status = stream.status
            self._tell("WATCH", status, started)
            if status != 200:
                async with asyncio.timeout(READ_TIMEOUT):
                    body = b"\n".join([line async for line in stream.lines()]) + stream.rest()
                raise errors.from_answer(status, stream.head, body)
            async for line in stream.lines():
                yield line
        except (OSError, Garbled) as error:
            raise _trouble(error, idle) from error
        finally:
            stream.close()

    async def _write(
        self,
        verb: str,
        path: str,
        body: bytes,
        *,
        accept: str = _JSON,
        content_type: str = _JSON,
        priority: bool = False,
    ) -> Answer:
        """`priority` is for the lease: such a write has no guard, no queue and no retries."""
        target = _bounded(path)

        async def send() -> Answer:
            return await self._exchange(
                verb,
                target,
                body=body,
                accept=accept,
                content_type=content_type,
                timeout=WRITE_TIMEOUT,
                fence=None if priority else self.guard,
            )

        if priority:
            return await send()
        return await self._persist(lambda: self._in_turn(send, ahead=verb == "PUT"))

    async def _persist(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        attempt = 0
        while True:
            try:
                return await ask()
            except ApiError as error:
                pause = _pause_after(error, attempt, self._jitter)
                if pause is None:
                    raise
            attempt += 1
            await asyncio.sleep(pause)

    async def _in_turn(self, send: Callable[[], Awaitable[Answer]], *, ahead: bool) -> Answer:
        """Waits for a turn. A status is true only for a moment, so its PUT goes before all others."""
        self.guard()
        await self.limiter.acquire(ahead=ahead)
        try:
            answer = await send()
        except ApiError as error:
            if error.too_many:
                self.limiter.throttled()
            raise
        finally:
            self.limiter.release()
        self.limiter.succeeded()
        return answer

    async def _exchange(
        self,
        verb: str,
        target: str,
        *,
        timeout: float,
        body: bytes = b"",
        accept: str = _JSON,
        content_type: str = _JSON,
        fence: Callable[[], None] | None = None,
    ) -> Answer:
        request = self._request(verb, target, body, accept, content_type)
        started = self._clock()
        try:
            answer = await self._transport.request(request, timeout, fence=fence)
        except (OSError, Garbled) as error:
            self._tell(verb, 0, started)
            raise _trouble(error, timeout) from error
        self._tell(verb, answer.status, started)
        if answer.status >= 300:
            raise errors.from_answer(*answer)
        return answer

    def _request(
        self, verb: str, target: str, body: bytes, accept: str, content_type: str
    ) -> bytes:
        authorization = self._authorization()
        head = (
            f"{verb} {self._prefix}{target} HTTP/1.1\r\n{self._headers}Accept: {accept}\r\n"
            + (f"Authorization: {authorization}\r\n" if authorization else "")
            + (f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n" if body else "")
        )
        return f"{head}\r\n".encode("ascii") + body

    def _tell(self, verb: str, status: int, started: float) -> None:
        if self.on_request is not None:
            self.on_request(verb, status, self._clock() - started)

    def _decode(self, body: bytes, as_: type[T]) -> T:
        if as_ is bytes:
            return cast("T", body)
        decoder = self._decoders.get(as_)
        if decoder is None:
            decoder = self._decoders[as_] = msgspec.json.Decoder(as_)
        try:
            return cast("T", decoder.decode(body))
        except msgspec.MsgspecError as error:
            raise errors.garbled(error) from error


def _no_guard() -> None:
    """The guard of programs that take no part in an election: tests, tools, benchmarks."""


def _connections_to(endpoint: Endpoint) -> ConnectionPool:
    url = urlsplit(endpoint.server)
    if url.hostname is None:
        raise ValueError(f"no host in {endpoint.server!r}")
    port = url.port or (80 if endpoint.ssl is None else 443)
    return ConnectionPool(
        host=url.hostname, port=port, tls=endpoint.ssl, server_name=endpoint.server_name
    )


def _written_to(endpoint: Endpoint, user_agent: str) -> tuple[str, str]:
    """The prefix of each request's path, and the headers of each request."""
    url = urlsplit(endpoint.server)
    return url.path.rstrip("/"), f"Host: {url.netloc}\r\nUser-Agent: {user_agent}\r\n"


def _target(path: str, query: Query | None = None) -> str:
    if " " in path or not path.isprintable():
        raise ValueError(f"not a request path: {path!r}")  # it could smuggle in a second request
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(query)}"


def _bounded(path: str) -> str:
    return f"{_target(path)}{'&' if '?' in path else '?'}timeout={WRITE_TIMEOUT:g}s"


def _is_another(error: ApiError) -> bool:
    """True if another object has this name now. A 409 for any other reason is a real conflict.

    The server has no code for it, and says it in two ways: "the UID in the precondition (…) does not
    match" and "Precondition failed: UID in precondition: …".
    """
    return error.conflict and "UID in" in error.message and "recondition" in error.message


def _trouble(error: Exception, seconds: float) -> ApiError:
    if isinstance(error, TimeoutError):
        return errors.timed_out(seconds)
    return errors.unreachable(error)


def _pause_after(error: ApiError, attempt: int, jitter: Jitter) -> float | None:
    """Seconds until the next try, or None. A request that used up its timeout is not repeated here."""
    if error.too_many or (error.status == 503 and error.retry_after is not None):
        attempts = _ATTEMPTS_WHEN_THROTTLED
    elif error.status == 0 and not error.timed_out:
        attempts = _ATTEMPTS_WHEN_UNREACHABLE
    else:
        return None
    if attempt + 1 >= attempts:
        return None
    backoff: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
    asked: float = error.retry_after or 0.0
    return asked + jitter(0.5, 1.0) * max(backoff, asked / 2)
