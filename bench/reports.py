"""Measures the operator's cost of 5,000 reporting ranks: CPU per report, share of a core, memory.

The server runs alone in a process of its own. The job lookup and the API server are stand-ins that cost
next to nothing, so the measurement covers TLS, HTTP, authentication, pending reports and answer. Each
report is a new TLS connection, as workers make them. Every rank reports once, as after a start. Then
the gang reports for a while, as often as the answers ask for.

    python bench/reports.py [--ranks 5000] [--rate 100] [--seconds 20] [--loop uvloop]
"""

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from stargate_kit import report_fakes  # noqa: E402

PATH = "/apis/stargate.dev/v1alpha1/namespaces/train/stargatejobs/materia/report"
TICKS = os.sysconf("SC_CLK_TCK")
REPORTS_AT_ONCE = 64
BODY = json.dumps(
    {"epoch": 42, "step": 123_456, "metrics": [{"name": "loss", "value": 0.123}]}
).encode()


def main() -> None:
    options = _options()
    if options.serve:
        _run(_serve(options), options.loop)
    else:
        _run(_measure(options), options.loop)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ranks", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(main: Coroutine[Any, Any, None], loop: str) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)


async def _serve(options: argparse.Namespace) -> None:
    from stargate_operator.reports.authentication import TokenAuthenticator
    from stargate_operator.reports.certificate import ServingCertificate
    from stargate_operator.reports.handler import ReportHandler
    from stargate_operator.reports.server import ReportServer

    folder = Path(options.serve)
    lookup = report_fakes.FakeJobLookup(job=report_fakes.view(world_size=options.ranks))
    lookup.with_pods(*(report_fakes.pod(rank) for rank in range(options.ranks)))
    authenticator = TokenAuthenticator(report_fakes.Reviewer(seconds=0.002), clock=time.time)
    handler = ReportHandler(lookup, lookup.pending, authenticator, clock=lambda: datetime.now(UTC))
    server = ReportServer(handler, ServingCertificate(folder / "tls.crt", folder / "tls.key"))
    server.start("127.0.0.1", 0)
    print(server.port, flush=True)
    await asyncio.Event().wait()


async def _measure(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        certificate, _ = report_fakes.certificate(Path(folder))
        arguments = ["--serve", folder, "--ranks", str(options.ranks), "--loop", options.loop]
        process = subprocess.Popen(  # noqa: ASYNC220 - once, before anything is measured
            [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            gang = Gang(int(process.stdout.readline()), certificate, options.ranks)
            idle = Usage.of(process.pid)
            await gang.report_at_once()
            started = Usage.of(process.pid)
            await gang.report_steadily(options.rate, options.seconds)
            ended = Usage.of(process.pid)
        finally:
            process.terminate()
            process.wait()
    print(f"{options.ranks} ranks, {options.loop}, one TLS connection per report")
    print(f"idle: {idle.rss:.0f} MiB")
    _show("first reports (with token reviews)", idle, started, options.ranks)
    steady = round(options.rate * options.seconds)
    _show(f"{options.rate:g} reports/s", started, ended, steady)
    print(f"peak {ended.peak:.0f} MiB; answers: {gang.answers}; {gang.latency()}")


def _show(what: str, before: "Usage", after: "Usage", reports: int) -> None:
    cpu, wall = after.cpu - before.cpu, after.wall - before.wall
    print(
        f"{what}: {cpu / reports * 1000:.2f} ms CPU per report, {cpu / wall:.3f} of a core,"
        f" {reports / wall:.0f}/s, {after.rss:.0f} MiB"
    )


class Usage:
    """CPU seconds and MiB of a process at a moment."""

    def __init__(self, *, cpu: float, rss: float, peak: float) -> None:
        self.wall, self.cpu, self.rss, self.peak = time.monotonic(), cpu, rss, peak

    @classmethod
    def of(cls, pid: int) -> "Usage":
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        memory = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        rss, peak = (int(memory[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return cls(cpu=(int(stat[11]) + int(stat[12])) / TICKS, rss=rss, peak=peak)


class Gang:
    """A client that is as cheap as can be: it shares the machine with the server."""

    def __init__(self, port: int, certificate: Path, ranks: int) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._requests = [_request(rank) for rank in range(ranks)]
        self._seconds: list[float] = []
        self.answers: dict[str, int] = {}

    async def report_at_once(self) -> None:
        room = asyncio.Semaphore(REPORTS_AT_ONCE)

        async def report(request: bytes) -> None:
            async with room:
                await self._report(request)

        await asyncio.gather(*map(report, self._requests))

    async def report_steadily(self, rate: float, seconds: float) -> None:
        self._seconds.clear()
        start, tasks = time.monotonic(), []
        for number, request in zip(
            range(round(rate * seconds)), cycle(self._requests), strict=False
        ):
            await asyncio.sleep(start + number / rate - time.monotonic())
            tasks.append(asyncio.create_task(self._report(request)))
        await asyncio.gather(*tasks)

    async def _report(self, request: bytes) -> None:
        start = time.monotonic()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname="localhost"
        )
        writer.write(request)
        code = (await reader.read()).split(b" ", 2)[1].decode()
        writer.close()
        self.answers[code] = self.answers.get(code, 0) + 1
        self._seconds.append(time.monotonic() - start)

    def latency(self) -> str:
        ranked = sorted(self._seconds)
        p50, p99 = (ranked[int(len(ranked) * share)] * 1000 for share in (0.5, 0.99))
        return f"client's latency p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _request(rank: int) -> bytes:
    token = report_fakes.token(report_fakes.pod(rank).uid) + "x" * 900  # as long as a real one
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY


if __name__ == "__main__":
    main()
