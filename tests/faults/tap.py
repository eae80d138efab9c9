"""A reverse proxy between one operator and the API server. A test can halt it at an exact request.

Some faults must happen between two exact requests, and a watch is too slow to see that moment. The tap
reads each request. At the request that a test waits for, it holds this request or its answer, and all
later requests. The test can then kill the operator there. A test may also isolate the operator. The
tap drops held requests and never sends them late.
"""

import asyncio
import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from stargate_lab.host.ports import free_ports

Json = dict[str, Any]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Asked:
    """One request of the operator."""

    method: str
    path: str
    raw: bytes

    @cached_property
    def body(self) -> Json:
        found: Json = json.loads(self.raw or b"{}")
        return found


Wanted = Callable[[Asked], bool]


@dataclass(frozen=True)
class Point:
    """The `nth` request of the operator that is `wanted`.

    `heard`: the request reaches the server, but its answer never reaches the operator. Otherwise the
    request never reaches the server.
    """

    name: str
    wanted: Wanted
    nth: int = 1
    heard: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass
class _Halt:
    point: Point
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event)

    def counts(self, asked: Asked) -> bool:
        if self.seen >= self.point.nth or not self.point.wanted(asked):
            return False
        self.seen += 1
        return self.seen == self.point.nth


class Tap:
    """`url` is the operator's address of the API server. One test at a time sets a halt."""

    def __init__(self, kubeconfig: Path) -> None:
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self._server = urlsplit(cluster["server"])
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._port = free_ports(1)[0]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tap", daemon=True)
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._halt: _Halt | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._joined = asyncio.Event()
        self._joined.set()
        self._refuses = False
        self.swallows_watches = False
        """True if the tap drops watch events and keeps the connections open."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def halt_at(self, point: Point) -> None:
        """Halt at the point. Only requests from now on count."""
        self._halt = _Halt(point)

    def await_halt(self, seconds: float) -> None:
        """Wait until the operator is halted at the point."""
        halt = self._halt
        assert halt is not None
        arrived = halt.reached.wait(seconds)
        assert arrived, f"waited {seconds:g} s for the operator to reach: {halt.point}"

    def isolate(self, *, refuse: bool = False) -> None:
        """Pass nothing in either direction from now on.

        `refuse`: the tap closes open and new connections. Otherwise they stay open without an answer.
        """
        self._call(self._isolate(refuse))

    def go_on(self) -> None:
        """Drop the held requests, and pass new requests and watch events again."""
        self._call(self._let_go())

    def cut(self) -> None:
        """Close every connection, and accept new ones."""
        self._call(self._let_go(everybody=True))

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._talk, "127.0.0.1", self._port)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._let_go(everybody=True)

    async def _isolate(self, refuse: bool) -> None:
        self._refuses = refuse
        self._joined.clear()
        if refuse:
            await self._drop_all()

    async def _let_go(self, *, everybody: bool = False) -> None:
        """Drop held connections before the tap opens, or a held request would reach the server."""
        flows = self._open.is_set() and self._joined.is_set() and not self.swallows_watches
        if everybody or not flows:
            await self._drop_all()
        self._halt = None
        self._refuses = self.swallows_watches = False
        self._open.set()
        self._joined.set()

    async def _drop_all(self) -> None:
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._refuses:
            return writer.transport.abort()
        self._talks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._relay(reader, writer)
        finally:
            self._talks.discard(task)
            writer.transport.abort()
        return None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(
            self._server.hostname, self._server.port, ssl=self._tls, limit=1 << 20
        )
        connection = _Connection(self, reader, writer, answers, requests)
        ways = [asyncio.ensure_future(way) for way in (connection.ask(), connection.answer())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            requests.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def pass_back(self) -> None:
        """Wait until an answer may pass to the operator."""
        await self._joined.wait()

    async def pass_by(self, asked: Asked) -> _Halt | None:
        """Wait until the request may pass to the server. Return the halt if its answer may not pass."""
        await self._open.wait()
        await self._joined.wait()
        halt = self._halt
        if halt is None or not halt.counts(asked):
            return None
        self._open.clear()
        if halt.point.heard:
            return halt
        halt.reached.set()
        await _for_ever()
        return None


@dataclass
class _Connection:
    tap: Tap
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers: asyncio.StreamReader
    requests: asyncio.StreamWriter
    withheld: _Halt | None = None
    watches: bool = False

    async def ask(self) -> None:
        while True:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await self.reader.readexactly(int(length[1]) if length else 0)
            method, path, _ = head.split(b" ", 2)
            self.withheld = await self.tap.pass_by(Asked(method.decode(), path.decode(), body))
            self.watches = b"watch=true" in path
            self.requests.write(head + body)
            await self.requests.drain()

    async def answer(self) -> None:
        while piece := await self.answers.read(_CHUNK):
            if self.withheld is not None:
                self.withheld.reached.set()
                await _for_ever()
            await self.tap.pass_back()
            if self.watches and self.tap.swallows_watches:
                continue
            self.writer.write(piece)
            await self.writer.drain()


async def _for_ever() -> None:
    """Wait until the connection's task is cancelled."""
    await asyncio.Event().wait()


@contextmanager
def tapping(kubeconfig: Path) -> Iterator[Tap]:
    tap = Tap(kubeconfig)
    tap.start()
    try:
        yield tap
    finally:
        tap.stop()
