"""One request over real TLS, to servers that answer, hang, send slowly, or send nonsense."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stargate_kit.report_fakes import certificate
from stargate_worker import NotInAJob
from stargate_worker.transport import Endpoint, parse, read_token

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Answer = Callable[[ssl.SSLSocket], object]


class Server:
    """Accepts connections one after the other, reads the request, and calls `answer`."""

    def __init__(self, folder: Path) -> None:
        pair = certificate(folder)
        self.ca = pair[0].read_text()
        self.answer: Answer = lambda line: line.sendall(OK)
        self.requests: list[bytes] = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*pair)
        self._listener = socket.create_server(("localhost", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"https://localhost:{self.port}/apis/report", self.ca)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._tls.wrap_socket(plain, server_side=True) as line:
                    self.requests.append(line.recv(65536))
                    self.answer(line)
            except OSError:
                continue


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


def post(server: Server, seconds: float = 5.0) -> int:
    return server.endpoint.post("t0ken", b'{"epoch": 1}', seconds).status


def test_report_is_one_post_with_the_token(server: Server) -> None:
    reply = server.endpoint.post("t0ken", b'{"epoch": 1}', 5)

    assert (reply.status, reply.body) == (200, b"{}")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /apis/report HTTP/1.1"
    assert f"Host: localhost:{server.port}" in lines
    assert "Authorization: Bearer t0ken" in lines
    assert "Connection: close" in lines
    assert body == b'{"epoch": 1}'


def test_server_of_another_ca_is_not_trusted(server: Server, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other", serial=2)[0].read_text()
    endpoint = Endpoint(f"https://localhost:{server.port}/", other)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        endpoint.post("t0ken", b"{}", 5)
    assert not server.requests, "the token was not sent"


def test_certificate_for_another_name_is_not_trusted(server: Server) -> None:
    endpoint = Endpoint(f"https://127.0.0.2:{server.port}/", server.ca)
    server_on_127_0_0_2 = socket.create_server(("127.0.0.2", server.port))
    threading.Thread(target=_hand_over, args=(server_on_127_0_0_2, server), daemon=True).start()
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        endpoint.post("t0ken", b"{}", 5)
    server_on_127_0_0_2.close()


def _hand_over(listener: socket.socket, server: Server) -> None:
    plain, _ = listener.accept()
    try:
        with server._tls.wrap_socket(plain, server_side=True):
            pass
    except OSError:
        return


def test_hanging_server_times_out(server: Server) -> None:
    server.answer = lambda _: time.sleep(3)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        post(server, 0.4)
    assert time.monotonic() - began < 2.5


def test_slow_server_times_out(server: Server) -> None:
    def drip(line: ssl.SSLSocket) -> None:
        for byte in OK * 10:
            line.send(bytes([byte]))
            time.sleep(0.1)

    server.answer = drip
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        post(server, 0.5)
    assert time.monotonic() - began < 2.5


def test_missing_handshake_times_out(tmp_path: Path) -> None:
    silent = socket.create_server(("localhost", 0))
    endpoint = Endpoint(
        f"https://localhost:{silent.getsockname()[1]}/", certificate(tmp_path)[0].read_text()
    )
    with pytest.raises(TimeoutError):
        endpoint.post("t0ken", b"{}", 0.3)
    silent.close()


def test_endless_answer_is_cut_off(server: Server) -> None:
    def babble(line: ssl.SSLSocket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(64):
            line.sendall(b"x" * 65536)

    server.answer = babble
    with pytest.raises(ConnectionError, match="longer"):
        post(server)


@pytest.mark.parametrize(
    "heard",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH\r\n",
        OK[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_partial_answer_raises(server: Server, heard: bytes) -> None:
    server.answer = lambda line: line.sendall(heard)
    with pytest.raises(OSError, match="not HTTP"):
        post(server)


def test_refused_connection_raises_os_error(server: Server) -> None:
    server.close()
    with pytest.raises(OSError, match="refused"):
        post(server)


def test_chunked_answer_is_read() -> None:
    heard = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert parse(heard).body == b"{}"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("9999", 60.0), ("soon", 0.0), ("", 0.0)]
)
def test_retry_after_is_bounded(header: str, seconds: float) -> None:
    heard = f"HTTP/1.1 503 No\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode()
    assert parse(heard).retry_after == seconds


def test_invalid_ca_is_named() -> None:
    with pytest.raises(NotInAJob, match="STARGATE_REPORT_CA"):
        Endpoint("https://localhost/", "-----CA-----")


def test_token_file_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    assert read_token(str(path)) == "old"
    path.write_text("new")
    assert read_token(str(path)) == "new"


@pytest.mark.parametrize("held", ["", "\n", "two words", "a\r\nX-Evil: 1", "pässword"])
def test_invalid_token_error_hides_the_content(tmp_path: Path, held: str) -> None:
    path = tmp_path / "token"
    path.write_text(held)
    with pytest.raises(OSError, match="holds no token") as told:
        read_token(str(path))
    assert not held.strip() or held not in str(told.value)
