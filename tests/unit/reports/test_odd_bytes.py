"""Strangers send anything: no bytes bring an internal error or a line in the log."""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from stargate_kit.report_fakes import pod, token
from stargate_operator.runtime.probes import Probes
from tests.unit.reports.serving import PATH, Site

ODD = (
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff\xfe",
    b"\xc2\xa0",
    b"\xe2\x80\x8b",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x9a\x80",
    b"%00%ff%zz",
    b"../..",
    b"\t",
    b"a" * 20_000,
    b"",
)
"""Control characters, half characters, odd spaces, a surrogate, an escape, too much, and nothing."""

OWN = f"Bearer {token(pod().uid)}".encode()
WAY = PATH.format("train", "materia").encode()


def request(
    *,
    method: bytes = b"POST",
    path: bytes = WAY,
    authorization: bytes = OWN,
    content_type: bytes = b"application/json",
    extra: bytes = b"",
    body: bytes = b"{}",
    length: bytes | None = None,
) -> bytes:
    size = str(len(body)).encode() if length is None else length
    lines = (
        method + b" " + path + b" HTTP/1.1",
        b"Host: localhost",
        b"Authorization: " + authorization,
        b"Content-Type: " + content_type,
        b"Content-Length: " + size,
        *([extra] if extra else []),
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


PARTS: dict[str, Callable[[bytes], bytes]] = {
    "method": lambda odd: request(method=odd),
    "path": lambda odd: request(path=b"/" + odd),
    "namespace": lambda odd: request(path=WAY.replace(b"/train/", b"/" + odd + b"/")),
    "name": lambda odd: request(path=WAY.replace(b"materia", odd)),
    "query": lambda odd: request(path=WAY + b"?" + odd),
    "token": lambda odd: request(authorization=b"Bearer " + odd),
    "scheme": lambda odd: request(authorization=odd + b" x"),
    "content type": lambda odd: request(content_type=odd),
    "charset": lambda odd: request(content_type=b"application/json; charset=" + odd),
    "length": lambda odd: request(length=odd),
    "header name": lambda odd: request(extra=odd + b": x"),
    "header value": lambda odd: request(extra=b"X-Odd: " + odd),
    "expectation": lambda odd: request(extra=b"Expect: " + odd),
    "transfer encoding": lambda odd: request(extra=b"Transfer-Encoding: " + odd),
    "body": lambda odd: request(body=odd),
    "text in the body": lambda odd: request(
        body=b'{"checkpoint": {"epoch": 1, "state": "Complete", "uri": "s3://' + odd + b'"}}'
    ),
    "field in the body": lambda odd: request(body=b'{"' + odd + b'": 1}'),
    "everything": lambda odd: odd + b"\r\n\r\n",
}


def odd_bytes(part: str) -> list[bytes]:
    drawn = random.Random(part)
    return [*ODD, *(drawn.randbytes(drawn.randint(1, 40)) for _ in range(12))]


async def answer_of(port: int, sent: bytes, trust: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=trust)
    try:
        writer.write(sent)
        if trust is None:
            writer.write_eof()
        return await asyncio.wait_for(reader.readline(), 5)
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


def assert_is_no_internal_error(answer: bytes, sent: bytes) -> None:
    assert not answer or answer.split()[1][:1] in (b"1", b"2", b"4"), (answer, sent[:200])


@pytest.mark.parametrize("part", PARTS)
async def test_odd_bytes_get_no_internal_error(
    impatient: Site, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    with capture_logs() as lines:
        for odd in odd_bytes(part):
            sent = PARTS[part](odd)
            assert_is_no_internal_error(
                await answer_of(impatient.server.port, sent, impatient.trust), sent
            )
    assert [line for line in lines if line["log_level"] in ("warning", "error")] == []
    assert [line for line in caplog.records if line.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("odd", [b"\x80", b"\xc2\xa0", b"a\x01b", b"\xf0\x9f\x9a\x80", b"a b"])
async def test_impossible_token_is_refused_without_review(site: Site, odd: bytes) -> None:
    sent = request(authorization=b"Bearer " + odd + b"x")
    answer = await answer_of(site.server.port, sent, site.trust)
    assert answer.split()[1] in (b"400", b"401")
    assert site.reviewer.asked == 0


@pytest.fixture
async def probes() -> AsyncIterator[Probes]:
    probes = Probes()
    await probes.start("localhost", 0)
    yield probes
    await probes.close()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics"])
async def test_probes_answer_odd_bytes_quietly(
    probes: Probes, caplog: pytest.LogCaptureFixture, part: str, path: bytes
) -> None:
    for odd in odd_bytes(part):
        sent = PARTS[part](odd).replace(b"POST " + WAY, b"GET " + path)
        assert_is_no_internal_error(await answer_of(probes.port, sent, None), sent)
    assert [line for line in caplog.records if line.levelno >= logging.WARNING] == []
