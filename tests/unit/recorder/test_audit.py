"""The operators' requests, as the recorder reads them from the API server's audit log."""

import json
from pathlib import Path

from tests.kit.recorder.audit import AuditLog


def line(name: str) -> str:
    entry = {
        "stage": "ResponseComplete",
        "userAgent": "stargate-operator/a",
        "requestURI": f"/api/v1/namespaces/team-a/pods/{name}",
        "verb": "get",
        "objectRef": {"resource": "pods", "namespace": "team-a", "name": name},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-03-01T12:00:00.000000Z",
        "stageTimestamp": "2026-03-01T12:00:00.100000Z",
    }
    return json.dumps(entry) + "\n"


def test_log_that_ends_within_a_line_is_read_from_its_begin(tmp_path: Path) -> None:
    path, second = tmp_path / "audit.log", line("second")
    path.write_text(line("first") + second[:40])
    log = AuditLog(path)

    path.write_text(line("first") + second)

    assert [request.name for request in log.read()] == ["second"]


def test_unfinished_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path, text = tmp_path / "audit.log", line("pod")
    path.write_text("")
    log = AuditLog(path)

    path.write_text(text[:-5])
    assert log.read() == []
    path.write_text(text)

    assert [request.name for request in log.read()] == ["pod"]
