"""A watch over TLS, which reads at intervals."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stargate_lab.host.certificates import Certificates, issue
from stargate_operator.kube.http1 import ConnectionPool
from stargate_operator.kube.line_stream import LineStream

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def serving(certificates: Certificates, pieces: list[bytes]) -> AsyncIterator[int]:
    """Answers any request with these pieces, each in a write of its own, and ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def watching(port: int, ca: Path) -> AsyncIterator[LineStream]:
    context = ssl.create_default_context(cafile=str(ca))
    wire = ConnectionPool(host="127.0.0.1", port=port, tls=context)
    try:
        stream = await wire.stream(b"GET / HTTP/1.1\r\n\r\n", timeout=5, idle=5)
        yield stream
        stream.close()
    finally:
        await wire.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("tls"))


async def test_tls_stream_yields_lines_in_order(
    certificates: Certificates,
) -> None:
    lines = [b"%d:" % number + b"x" * (number * 37 % 9000) for number in range(300)]
    body = b"".join(line + b"\n" for line in lines)
    pieces = [HEAD, *(chunk(body[at : at + 7001]) for at in range(0, len(body), 7001)), chunk(b"")]
    async with serving(certificates, pieces) as port, watching(port, certificates.ca) as stream:
        assert [line async for line in stream.lines()] == lines


async def test_tls_hangup_raises_after_received_lines(
    certificates: Certificates,
) -> None:
    async with (
        serving(certificates, [HEAD, chunk(b"one\n")]) as port,
        watching(port, certificates.ca) as stream,
    ):
        lines = stream.lines()
        assert await anext(lines) == b"one"
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on how far TLS got
            await anext(lines)


async def test_certificate_of_unknown_ca_is_refused(
    certificates: Certificates, tmp_path: Path
) -> None:
    stranger = issue(tmp_path)
    async with serving(certificates, [HEAD]) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with watching(port, stranger.ca):
                pass
