"""Framing: the same answer, however the network cuts it."""

from __future__ import annotations

import pytest

from stargate_operator.kube.framing import Framing, Garbled

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWERS = {
    "sized": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    "empty": (HEAD + b"Content-Length: 0\r\n\r\n", b"", True),
    "chunked": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        b"hello",
        True,
    ),
    "trailers": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nDigest: x\r\n\r\n",
        b"hello",
        True,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "after a continue": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "connection closes": (
        HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        False,
    ),
}


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("name", ANSWERS)
def test_answer_is_same_for_any_chunking(name: str, step: int) -> None:
    raw, body, reusable = ANSWERS[name]
    parts: list[bytes] = []
    framing = Framing(parts.append)
    for at in range(0, len(raw), step):
        assert not framing.complete
        framing.feed(raw[at : at + step])
    assert framing.complete
    assert b"".join(parts) == body
    assert framing.reusable is reusable


def test_answer_without_length_ends_with_connection() -> None:
    parts: list[bytes] = []
    framing = Framing(parts.append)
    framing.feed(HEAD + b"\r\nhel")
    framing.feed(b"lo")
    framing.close()
    assert (framing.complete, framing.reusable, b"".join(parts)) == (True, False, b"hello")


def test_answer_shorter_than_its_length_is_incomplete() -> None:
    framing = Framing(lambda _: None)
    framing.feed(HEAD + b"Content-Length: 5\r\n\r\nhel")
    framing.close()
    assert not framing.complete


def test_connection_with_extra_bytes_is_not_reused() -> None:
    framing = Framing(lambda _: None)
    framing.feed(HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200")
    assert framing.complete
    assert not framing.reusable


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        HEAD + b"Content-Length: many\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000,
    ],
)
def test_bytes_that_are_not_http_are_refused(raw: bytes) -> None:
    with pytest.raises(Garbled):
        Framing(lambda _: None).feed(raw)
