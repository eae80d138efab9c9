"""A report server for a gang under test. It answers like the operator, without an operator.

It uses TLS, as the worker's library requires. A rank's token is `<attempt>/<rank>`, so a report
identifies its rank, as a real token identifies a pod.
"""

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stargate_lab.host.certificates import issue

Json = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    attempt: int
    rank: int
    report: Json

    @property
    def checkpoint(self) -> Json:
        found: Json = self.report.get("checkpoint", {})
        return found

    @property
    def metrics(self) -> dict[str, float]:
        return {metric["name"]: metric["value"] for metric in self.report.get("metrics", [])}


@dataclass
class Sink:
    url: str
    ca: str
    away: bool = False
    """Answers every report with 503 while it is set."""
    heard: list[Heard] = field(default_factory=list)

    @property
    def complete(self) -> list[Json]:
        """The checkpoints that were acknowledged, the newest last."""
        return [heard.checkpoint for heard in self.heard if _is(heard, "Complete")]

    @property
    def damaged(self) -> list[Json]:
        return [heard.checkpoint for heard in self.heard if _is(heard, "Damaged")]

    def steps(self, attempt: int) -> dict[int, int]:
        """The last step that each rank reported."""
        steps = [
            heard for heard in self.heard if heard.attempt == attempt and "step" in heard.report
        ]
        return {each.rank: int(each.report["step"]) for each in steps}

    def answer(self, token: str, report: Json) -> tuple[int, Json]:
        if self.away:
            return 503, {"kind": "Status", "reason": "ServiceUnavailable", "message": "away"}
        attempt, rank = map(int, token.split("/"))
        self.heard.append(Heard(attempt, rank, report))
        answer: Json = {"attempt": attempt, "nextReportSeconds": 0.2, "stop": False}
        checkpoint = report.get("checkpoint")
        if checkpoint and checkpoint["state"] != "Writing":
            answer["acknowledged"] = {k: checkpoint[k] for k in ("epoch", "uri", "state")}
        return 200, answer


def _is(heard: Heard, state: str) -> bool:
    return heard.checkpoint.get("state") == state


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sink: Sink

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a rank that was killed in the middle of a report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        token = self.headers["Authorization"].removeprefix("Bearer ")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.server.sink.answer(token, json.loads(body))
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Logs nothing."""


@dataclass
class RunningSink:
    """`with RunningSink(folder) as sink:`; it serves until the block ends."""

    folder: Path

    def __enter__(self) -> Sink:
        files = issue(self.folder)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.certificate, files.key)
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        address = f"https://127.0.0.1:{self._server.server_port}"
        self._server.sink = Sink(address, files.ca.read_text())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self._server.sink

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
