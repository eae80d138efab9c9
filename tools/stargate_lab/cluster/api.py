"""A small synchronous client of the API server, for set-up and checks. Never use it in a measurement."""

import base64
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]

# Also what a CRD answers for a moment after it is Established.
_TOO_MANY_REQUESTS = 429
_MOST_TRIES = 60


class ApiError(RuntimeError):
    """An answer of 400 or more, with the server's own words."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('reason', '')}: {body.get('message', body)}")
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Credentials:
    """The current context of a kubeconfig: the server, the trusted CA, our identity."""

    server: str
    ssl: ssl.SSLContext
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @classmethod
    def load(cls, kubeconfig: Path) -> "Credentials":
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        trust = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority"))
        if "token" not in user:
            _identify(trust, _pem(user, "client-certificate"), _pem(user, "client-key"))
        return cls(cluster["server"], trust, user.get("token", ""))


@dataclass(frozen=True)
class Api:
    """Opens one connection per request, so that a restart of the server needs no handling."""

    credentials: Credentials
    timeout: float = 30.0

    @classmethod
    def of(cls, kubeconfig: Path) -> "Api":
        return cls(Credentials.load(kubeconfig))

    def get(self, path: str) -> Json:
        return self._json("GET", path)

    def create(self, path: str, body: Json) -> Json:
        return self._json("POST", path, body)

    def replace(self, path: str, body: Json) -> Json:
        return self._json("PUT", path, body)

    def patch(self, path: str, body: Json) -> Json:
        return self._json("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str, body: Json | None = None) -> Json:
        return self._json("DELETE", path, body)

    def apply(self, path: str, body: Json, manager: str = "stargate-lab") -> Json:
        query = f"{path}?fieldManager={manager}&force=true"
        return self._json("PATCH", query, body, "application/apply-patch+yaml")

    def text(self, path: str) -> str:
        return self._request("GET", path, None, "")[1].decode()

    def _json(
        self, method: str, path: str, body: Json | None = None, content: str = "application/json"
    ) -> Json:
        for _ in range(_MOST_TRIES):
            status, answer = self._request(method, path, body, content)
            if status != _TOO_MANY_REQUESTS:
                break
            time.sleep(0.5)
        decoded: Json = json.loads(answer)
        if status >= 400:
            raise ApiError(status, decoded)
        return decoded

    def _request(
        self, method: str, path: str, body: Json | None, content: str
    ) -> tuple[int, bytes]:
        address = urlsplit(self.credentials.server).netloc
        headers = {**self.credentials.headers, "Content-Type": content}
        connection = http.client.HTTPSConnection(
            address, timeout=self.timeout, context=self.credentials.ssl
        )
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _pem(entry: Json, name: str) -> str:
    """PEM text from a file, or from the kubeconfig itself."""
    if inline := entry.get(f"{name}-data"):
        return base64.b64decode(inline).decode()
    return Path(entry[name]).read_text()


def _identify(trust: ssl.SSLContext, certificate: str, key: str) -> None:
    """Loads the client certificate through a file: the ssl module accepts nothing else."""
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certificate + key)
        file.flush()
        trust.load_cert_chain(file.name)


def _named(entries: list[Json], name: str) -> Json:
    return next(entry for entry in entries if entry["name"] == name)
