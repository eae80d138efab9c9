"""Liveness, readiness and metrics over plain HTTP, for the kubelet and Prometheus.

A check returns what is wrong, or None. A check that raises has failed: a broken watchdog must not look
healthy.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import web

from stargate_operator.telemetry import metrics

Check = Callable[[], str | None]
Handler = Callable[[web.Request], Awaitable[web.Response]]

_log = structlog.get_logger(__name__)


class Probes:
    """The HTTP server of the probes and the metrics.

    The kubelet restarts a process whose `liveness` fails. A failing `readiness` only takes traffic away.
    """

    def __init__(self, liveness: Sequence[Check] = (), readiness: Sequence[Check] = ()) -> None:
        app = web.Application()
        app.router.add_get("/healthz", _answer("healthz", liveness))
        app.router.add_get("/readyz", _answer("readyz", readiness))
        app.router.add_get("/metrics", _metrics)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str | None, port: int) -> None:
        """With `host` None it listens on all addresses, IPv4 and IPv6."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    @property
    def port(self) -> int:
        """The port in use, also if `start` was given 0."""
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()


def _answer(probe: str, checks: Sequence[Check]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        del request
        wrong = [reason for reason in map(_run, checks) if reason]
        if not wrong:
            return web.Response(text="ok\n")
        _log.warning("probe failed", probe=probe, reasons=wrong)
        return web.Response(status=503, text="\n".join(wrong) + "\n")

    return handler


def _run(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"{getattr(check, '__qualname__', 'check')}: {type(error).__name__}: {error}"


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
