"""A rank that reports as any HTTP client can: a POST over TLS, with its token and environment."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from stargate_lab.cluster.api import Api
from tests.kit.recorder.history import Json, Pod


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def field(self) -> str:
        """The field that a refusal names."""
        causes = self.body.get("details", {}).get("causes", [{}])
        return str(causes[0].get("field", ""))


@dataclass
class Worker:
    """A rank. The environment of its pod says where to report and which checkpoint to resume from.

    `port` is a local port to connect to instead, if only the cluster's DNS knows the host of the URL.
    """

    api: Api
    pod: Pod
    audience: str = "stargate.dev"
    port: int | None = None

    @cached_property
    def token(self) -> str:
        """The token that the kubelet would project into the pod."""
        meta = self.pod.raw["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        account = self.pod.raw["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        spec = {"audiences": [self.audience], "boundObjectRef": bound}
        return str(self.api.create(path, {"spec": spec})["status"]["token"])

    @property
    def folder(self) -> str:
        """The folder of this attempt's checkpoints."""
        return self.pod.env["STARGATE_CHECKPOINT_URI"]

    @property
    def resumes_from(self) -> int | None:
        env = self.pod.env
        return int(env["STARGATE_RESUME_EPOCH"]) if env["STARGATE_RESUME_URI"] else None

    def report(self, **body: Any) -> Answer:
        return self.post(json.dumps(body).encode())

    def trains_to(self, epoch: int, **more: Any) -> Json:
        answer = self.report(epoch=epoch, **more)
        assert answer.status == 200, answer
        return answer.body

    def saves(self, epoch: int, state: str = "Complete") -> Answer:
        return self.report(epoch=epoch, checkpoint=self.checkpoint(epoch, state))

    def checkpoint(self, epoch: int, state: str = "Complete") -> Json:
        uri = f"{self.folder}/epoch-{epoch}"
        return {"epoch": epoch, "uri": uri, "state": state, "sizeBytes": 1 << 30}

    def post(
        self,
        body: bytes,
        *,
        token: str | None = None,
        content: str = "application/json",
        path: str = "",
    ) -> Answer:
        url = urlsplit(self.pod.env["STARGATE_REPORT_URL"])
        trust = ssl.create_default_context(cadata=self.pod.env["STARGATE_REPORT_CA"])
        headers = {"Content-Type": content}
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.token}"
        connection = http.client.HTTPSConnection(url.netloc, timeout=20, context=trust)
        if self.port:
            local = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            connection.sock = trust.wrap_socket(local, server_hostname=url.hostname)
        try:
            connection.request("POST", path or url.path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        finally:
            connection.close()


@contextmanager
def reporting(*workers: Worker, every: float = 0.4, epoch: int = 1) -> Iterator[None]:
    """Let each worker report its steps, as a healthy trainer does. Failed reports are repeated."""
    over = threading.Event()

    def report(worker: Worker) -> None:
        step = 0
        while not over.wait(every):
            step += 1
            try:
                worker.report(epoch=epoch, step=step)
            except (OSError, http.client.HTTPException, ValueError):
                continue

    threads = [threading.Thread(target=report, args=(each,)) for each in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
