"""A report server on loopback: real TLS, the real handler, a fake job lookup and a fake API server."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from stargate_kit.report_fakes import FakeJobLookup, Reviewer, certificate, pod, token
from stargate_operator.reports.authentication import TokenAuthenticator
from stargate_operator.reports.certificate import ServingCertificate
from stargate_operator.reports.handler import ReportHandler
from stargate_operator.reports.server import ReportServer

PATH = "/apis/stargate.dev/v1alpha1/namespaces/{}/stargatejobs/{}/report"


@dataclass
class Said:
    code: int
    body: dict[str, Any]
    headers: Any

    @property
    def reason(self) -> str:
        assert (self.body["kind"], self.body["code"]) == ("Status", self.code)
        return str(self.body["reason"])


@dataclass
class Site:
    """The server and a client of it. `report` is what the worker of a rank sends."""

    lookup: FakeJobLookup
    reviewer: Reviewer
    server: ReportServer
    files: tuple[Path, Path]
    client: aiohttp.ClientSession

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files[0]))

    async def report(
        self, report: object = None, *, rank: int = 0, attempt: int = 1, **request: Any
    ) -> Said:
        defaults: dict[str, Any] = {
            "headers": {"Authorization": f"Bearer {token(pod(rank, attempt=attempt).uid)}"},
            "json": {} if report is None else report,
        }
        return await self.send(**(defaults | request))

    async def send(
        self,
        *,
        method: str = "POST",
        namespace: str = "train",
        name: str = "materia",
        path: str = "",
        **request: Any,
    ) -> Said:
        url = f"https://localhost:{self.server.port}{path or PATH.format(namespace, name)}"
        async with self.client.request(method, url, ssl=self.trust, **request) as answer:
            assert answer.headers["Connection"] == "close"
            assert answer.content_type == "application/json"
            return Said(answer.status, await answer.json(), answer.headers)


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    files = certificate(folder)
    lookup = FakeJobLookup().with_pods(*(pod(rank) for rank in range(4)))
    reviewer = Reviewer()
    handler = ReportHandler(
        lookup,
        lookup.pending,
        TokenAuthenticator(reviewer, clock=lambda: 1_000_000.0),
        clock=lambda: datetime.now(UTC),
        write_timeout=0.2,
    )
    server = ReportServer(handler, ServingCertificate(*files), **settings)
    server.start("localhost", 0)
    try:
        async with aiohttp.ClientSession() as client:
            yield Site(lookup, reviewer, server, files, client)
    finally:
        await server.close()
