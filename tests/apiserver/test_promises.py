"""A real API server keeps the promises of the in-memory API server of the component tests."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from stargate_lab.cluster.api import ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.api_promises import Promises

Json = dict[str, Any]


@dataclass
class Real:
    plane: ControlPlane

    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Json]:
        status, raw = self._answer(method, path, body, {"Content-Type": content, "Accept": accept})
        return status, json.loads(raw)

    def events(self, path: str) -> list[Json]:
        _, raw = self._answer("GET", path, None, {})
        return [json.loads(line) for line in raw.splitlines()]

    def _answer(
        self, method: str, path: str, body: Json | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        credentials = self.plane.api.credentials
        connection = http.client.HTTPSConnection(
            urlsplit(credentials.server).netloc, timeout=30, context=credentials.ssl
        )
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {**credentials.headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def server(plane: ControlPlane, namespace: str) -> Real:
    """A real API server, once pods can be created in the namespace."""
    until = time.monotonic() + 30
    while True:
        try:
            plane.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
            return Real(plane)
        except ApiError:
            assert time.monotonic() < until, "the namespace has no service account"
            time.sleep(0.05)


class TestPromises(Promises):
    pass
