"""Network between one client and the API server in memory: the transport of the operator's client.

Requests and answers have a latency. The server handles a request that has arrived even if the client no
longer waits. The network can be cut, and then it drops everything without an error. When its process
dies, the network sends no more requests.
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
"""A request with a higher latency never arrives, because the kernel gives up the connection."""


class Network:
    """Implements the operator's `Transport`. `latency` returns the seconds of one direction."""

    def __init__(self, server: ApiServer, *, latency: Callable[[], float]) -> None:
        self._server = server
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._cut = False
        self._dead = False
        self._streams: list[Watch] = []

    def cut(self) -> None:
        """Drop everything in both directions from now on, without an error."""
        self._cut = True
        for stream in self._streams:
            stream.hold()

    def mend(self) -> None:
        self._cut = False
        for stream in self._streams:
            stream.release()

    def die(self) -> None:
        """The process has died. Requests in flight still arrive; new ones fail."""
        self._dead = True
        for stream in self._streams:
            stream.break_off()

    async def request(
        self, request: bytes, timeout: float, *, fence: Callable[[], None] | None = None
    ) -> Answer:
        """Raises OSError. The server may have handled the request all the same."""
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
        self._streams = [*(stream for stream in self._streams if not stream.over), watch]
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
        """The request is at the server, which handles it even if the client dies now."""
        fault = rule.fault if rule else Fault("delayed")
        if rule is not None and rule.before is not None:
            rule.before(request)
        if fault.kind == "lost":
            response: Response | None = None
        elif fault.refusal is not None:
            response = self._server.refuse(request, fault.refusal)
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
        """Runs `call` without an owner, so that messages in flight arrive after their sender stops."""
        self._loop.call_later(seconds, call, context=Context())


class Stream:
    """The client's end of a watch, or the answer with the refusal."""

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
