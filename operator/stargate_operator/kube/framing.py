"""Cuts HTTP/1.1 answers out of the bytes of a connection. No I/O."""

from __future__ import annotations

from collections.abc import Callable

_HEAD_LIMIT = 64 * 1024


class Garbled(ValueError):  # noqa: N818 - reads as what the server's bytes are
    """The bytes are not an HTTP answer."""


class Framing:
    """Cuts one answer out of a connection's bytes: feed it until it is complete.

    No I/O, and the payload goes to `sink` as it comes, so that it serves both whole answers and
    endless watches.
    """

    __slots__ = ("_buffer", "_last", "_left", "_sink", "_step", "complete", "head", "status")

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self.status = 0
        self.head = b""
        self.complete = False
        self._sink = sink
        self._buffer = b""
        self._left = 0
        self._last = False
        # A function, no bound method: a reference cycle per request is work for the collector.
        self._step: Callable[[Framing], bool] = Framing._read_head

    @property
    def reusable(self) -> bool:
        """True if the connection may carry another request after this answer."""
        return (
            self.complete
            and not self._buffer
            and self._step is not Framing._read_to_end
            and b"\r\nconnection: close" not in self.head
        )

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._step(self):
            pass

    def close(self) -> None:
        """The peer has closed the connection. Only an answer without a length may end like this."""
        if self._step is Framing._read_to_end:
            self.complete = True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise Garbled("endless header")
            return False
        self.head = self._buffer[:end].lower()
        self._buffer = self._buffer[end + 4 :]
        self.status = _status_of(self.head)
        if self.status >= 200:  # a 1xx is followed by the real head
            self._step = self._choose_body()
        return True

    def _choose_body(self) -> Callable[[Framing], bool]:
        if b"\r\ntransfer-encoding: chunked" in self.head:
            return Framing._read_chunks
        length = _length_of(self.head)
        if length is None and self.status not in (204, 304):
            return Framing._read_to_end
        self._left = length or 0
        return Framing._read_length

    def _read_length(self) -> bool:
        piece = self._buffer[: self._left]
        self._buffer = self._buffer[self._left :]
        self._left -= len(piece)
        if piece:
            self._sink(piece)
        self.complete = self._left == 0
        return False

    def _read_to_end(self) -> bool:
        if self._buffer:
            self._sink(self._buffer)
            self._buffer = b""
        return False

    def _read_chunks(self) -> bool:
        """Passes on payload at once, so that a watch event does not wait for the rest of its chunk."""
        buffer, at = self._buffer, 0
        while at < len(buffer) and not self.complete:
            if self._left:
                piece = buffer[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                self._sink(piece)
                continue
            end = buffer.find(b"\r\n", at)
            if end < 0:
                break
            self._take_chunk_line(buffer[at:end])
            at = end + 2
        self._buffer = buffer[at:]
        return False

    def _take_chunk_line(self, line: bytes) -> None:
        """Reads the bytes between payloads: a line break, the next size, and trailers after the last."""
        if self._last:
            self.complete = not line
        elif line:
            self._left = _chunk_size(line)
            self._last = self._left == 0


def _status_of(head: bytes) -> int:
    if not head.startswith(b"http/1.") or not head[9:12].isdigit():
        raise Garbled(f"not an HTTP answer: {head[:40]!r}")
    return int(head[9:12])


def _length_of(head: bytes) -> int | None:
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return None
    value = head[at + 17 :].partition(b"\r\n")[0].strip()
    if not value.isdigit():
        raise Garbled("content-length is not a number")
    return int(value)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise Garbled(f"not a chunk size: {line[:20]!r}") from None
