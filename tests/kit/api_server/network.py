"""One client's way to the server: what the operator's client sends its requests over.

A request takes a moment to arrive, is done, and its answer takes a moment back. Whether the client
still waits changes nothing about what the server does. A way can be cut (nothing passes, in silence)
and is gone with its process (nothing leaves it any more).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import Context

from stargate_operator.kube.transport import Answer
from tests.kit.api_server.answers import Refused, Response
from tests.kit.api_server.faults import Fault, Rule
from tests.kit.api_server.requests import Request, read
from tests.kit.api_server.server import ApiServer
from tests.kit.api_server.watches import Watch

UNHEARD_SECONDS = 5.0
"""A request that is on its way for longer never arrives: the kernel gives the connection up."""


class Network:
    """Implements the operator's `Transport`. `latency` gives the seconds of one way."""

    def __init__(self, server: ApiServer, *, latency: Callable[[], float]) -> None:
        self._server = server
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._cut = False
        self._dead = False
        self._streams: list[Watch] = []

    def cut(self) -> None:
        """Nothing passes any more, in neither direction, and nobody is told."""
        self._cut = True
        for stream in self._streams:
            stream.hold()

    def mend(self) -> None:
        self._cut = False
        for stream in self._streams:
            stream.release()

    def die(self) -> None:
        """With its process: what has been sent arrives, and nothing is sent any more."""
        self._dead = True
        for stream in self._streams:
            stream.break_off()

    async def request(
        self, request: bytes, timeout: float, *, fence: Callable[[], None] | None = None
    ) -> Answer:
        """Raises OSError; the server may have acted all the same."""
        async with asyncio.timeout(timeout):
            if fence is not None:
                fence()
            return await self._exchange(read(request))

    async def stream(self, request: bytes, *, timeout: float, idle: float) -> Stream:
        asked = read(request)
        async with asyncio.timeout(timeout):
            try:
                await self._reach_for_watch(asked)
                watch = self._server.watch(asked, self._latency)
            except Refused as refusal:
                return Stream(None, refusal.response(), idle)
        self._streams = [*(each for each in self._streams if not each.over), watch]
        return Stream(watch, Response(200, b""), idle)

    async def close(self) -> None:
        for stream in self._streams:
            stream.close()

    async def _reach_for_watch(self, request: Request) -> None:
        self._need_to_live()
        rule = self._server.faults.of(request)
        fault = rule.fault if rule else None
        if self._cut or (fault and fault.kind in ("unheard", "unanswered")):
            await self._loop.create_future()
        await asyncio.sleep(self._latency() + (fault.before if fault else 0.0))
        self._need_to_live()
        if fault and fault.kind in ("lost", "answer lost"):
            raise ConnectionResetError("connection reset by peer")
        if fault and fault.refusal is not None:
            raise fault.refusal

    async def _exchange(self, request: Request) -> Answer:
        self._need_to_live()
        answer: asyncio.Future[Answer] = self._loop.create_future()
        rule = self._server.faults.of(request)
        fault = rule.fault if rule else Fault("delayed")
        way = self._latency() + fault.before
        if not self._cut and fault.kind != "unheard" and way <= UNHEARD_SECONDS:
            self._later(way, lambda: self._arrive(request, rule, answer))
        return await answer

    def _arrive(self, request: Request, rule: Rule | None, answer: asyncio.Future[Answer]) -> None:
        """At the server; from here on the client's fate changes nothing."""
        fault = rule.fault if rule else Fault("delayed")
        if rule is not None and rule.before is not None:
            rule.before(request)
        if fault.kind == "lost":
            response: Response | None = None
        elif fault.refusal is not None:
            response = fault.refusal.response()
        else:
            response = self._server.handle(request)
        if rule is not None and rule.then is not None:
            rule.then(request)
        if fault.kind == "unanswered":
            return
        gets_back = response if fault.kind != "answer lost" else None
        self._later(self._latency() + fault.after, lambda: self._return(answer, gets_back))

    def _return(self, answer: asyncio.Future[Answer], response: Response | None) -> None:
        if answer.done() or self._cut:
            return
        if self._dead or response is None:
            answer.set_exception(ConnectionResetError("connection reset by peer"))
        else:
            answer.set_result(Answer(response.status, _head(response), response.body))

    def _need_to_live(self) -> None:
        if self._dead:
            raise ConnectionResetError("the process is gone")

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        """In nobody's name: what is on its way does not stop when its sender does."""
        self._loop.call_later(seconds, call, context=Context())


class Stream:
    """The client's end of a watch, or the answer that refused it."""

    def __init__(self, watch: Watch | None, response: Response, idle: float) -> None:
        self.status = response.status
        self.head = _head(response)
        self._watch = watch
        self._body = response.body
        self._idle = idle

    async def lines(self) -> AsyncIterator[bytes]:
        if self._watch is not None:
            async for line in self._watch.lines(self._idle):
                yield line

    def rest(self) -> bytes:
        return self._body

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()


def _head(response: Response) -> bytes:
    lines = [f"http/1.1 {response.status} -"]
    lines += [f"{name.lower()}: {value}" for name, value in response.headers.items()]
    return "\r\n".join(lines).encode()
