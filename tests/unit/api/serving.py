"""An HTTP server on a free port, whose answers a test provides."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answering = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    serving: "Serving"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.serving.heard.append((self.command, self.path, dict(self.headers)))
        self.serving.answering(self)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Logs nothing, so that a test's output stays readable."""

    def reply(self, status: int, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        """Starts a streamed answer; `chunk` continues it."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()


@dataclass
class Serving:
    answering: Answering
    url: str = ""
    heard: list[tuple[str, str, dict[str, str]]] = field(default_factory=list, repr=False)
    released: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over, so that a stalled answer can end."""


@contextmanager
def serving(answering: Answering) -> Iterator[Serving]:
    found = Serving(answering)
    bound = type("Bound", (Handler,), {"serving": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
