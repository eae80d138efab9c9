"""A loopback server that answers what a test tells it to, byte for byte: it raises the faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from stargate_operator.kube.config import Endpoint


@dataclass
class Request:
    verb: str
    target: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return json.loads(self.body)

    async def answer(self, status: int, body: Any = None, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self.writer.write(_head(status, {"Content-Length": str(len(raw)), **headers}) + raw)
        await self.writer.drain()

    async def status(self, code: int, reason: str, message: str = "no", **headers: str) -> None:
        said: dict[str, Any] = {"kind": "Status", "code": code, "reason": reason}
        said["message"] = message
        if reason == "NotFound":
            said["details"] = {"name": self.path.rpartition("/")[2]}
        await self.answer(code, said, **headers)

    async def start_stream(self) -> None:
        self.writer.write(_head(200, {"Transfer-Encoding": "chunked"}))
        await self.writer.drain()

    async def send_line(self, line: Any) -> None:
        raw = line if isinstance(line, bytes) else json.dumps(line).encode()
        self.writer.write(b"%x\r\n%s\n\r\n" % (len(raw) + 1, raw))
        await self.writer.drain()

    async def end_stream(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def hang(self) -> None:
        await asyncio.Event().wait()

    async def reset(self) -> None:
        self.writer.transport.abort()


def _head(status: int, headers: dict[str, str]) -> bytes:
    headers = {"Content-Type": "application/json", **headers}
    named = (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    lines = [f"HTTP/1.1 {status} Whatever", *named]
    return "\r\n".join([*lines, "", ""]).encode()


Handler = Callable[[Request], Awaitable[None]]


@dataclass
class FakeApi:
    handler: Handler
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    token: str | None = None

    def endpoint(self) -> Endpoint:
        return Endpoint(
            server=f"http://127.0.0.1:{self.port}/prefix",
            ssl=None,
            authorization=lambda: self.token,
            namespace="default",
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _read(reader, writer)) is not None:
                self.requests.append(request)
                await self.handler(request)
                if writer.transport.is_closing():
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.strip().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    verb, target, _ = first.split(" ")
    return Request(verb, target.removeprefix("/prefix"), headers, body, writer)


@asynccontextmanager
async def fake_api(handler: Handler) -> AsyncIterator[FakeApi]:
    api = FakeApi(handler)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(api.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def meta(name: str = "p", uid: str = "u1", version: int = 1, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version), **more}}


async def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)
