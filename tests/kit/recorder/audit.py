"""The API server's audit log. Only it shows failed requests, and which client sent a request."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.kit.recorder.history import Request

_AGENT = "stargate-operator/"
_ANSWERED = "ResponseComplete"
_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Request
  users: ["system:serviceaccount:stargate-system:stargate-operator"]
  verbs: [delete]
  resources: [{group: "", resources: [pods]}]
- level: Metadata
  users: ["system:serviceaccount:stargate-system:stargate-operator"]
- level: None
"""

Flags = tuple[tuple[str, str], ...]


def flags(directory: Path) -> Flags:
    """Flags for the API server. The log will be at `log_in(directory)`."""
    directory.mkdir(parents=True, exist_ok=True)
    policy = directory / "policy.yaml"
    policy.write_text(_POLICY)
    return (
        ("audit-policy-file", str(policy)),
        ("audit-log-path", str(log_in(directory))),
        ("audit-log-maxsize", "10000"),
    )


def log_in(directory: Path) -> Path:
    return directory / "audit.log"


class AuditLog:
    """The operators' requests since the creation of this object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = _end_of_last_line(path)
        self._requests: list[Request] = []

    def read(self) -> list[Request]:
        self._requests.extend(self._new())
        return list(self._requests)

    def _new(self) -> Iterator[Request]:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # the line is not complete yet
                self._offset += len(line)
                request = _request(line)
                if request is not None:
                    yield request


def _end_of_last_line(path: Path) -> int:
    """The API server may be in the middle of a line."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1


def _request(line: bytes) -> Request | None:
    """None for requests of other clients, unanswered requests (watches) and dry runs."""
    entry = json.loads(line)
    agent = str(entry.get("userAgent", ""))
    if not agent.startswith(_AGENT) or "dryRun=All" in entry["requestURI"]:
        return None
    if entry["stage"] != _ANSWERED:
        return None
    of = entry.get("objectRef", {})
    return Request(
        agent=agent.removeprefix(_AGENT),
        verb=entry["verb"],
        resource="/".join(filter(None, (of.get("resource"), of.get("subresource")))),
        namespace=of.get("namespace", ""),
        name=of.get("name", ""),
        code=int(entry.get("responseStatus", {}).get("code", 0)),
        began=_seconds(entry["requestReceivedTimestamp"]),
        ended=_seconds(entry["stageTimestamp"]),
        grace=(entry.get("requestObject") or {}).get("gracePeriodSeconds"),
    )


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
