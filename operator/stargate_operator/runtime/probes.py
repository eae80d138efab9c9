"""Liveness, readiness and metrics over plain HTTP, for the kubelet and Prometheus.

A check returns what is wrong, or None. A check that raises has failed: a broken watchdog must not look
healthy.
"""

from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from stargate_operator.telemetry import metrics

Check = Callable[[], str | None]

_log = structlog.get_logger(__name__)


class Probes:
    """The HTTP server of the probes and the metrics.

    The kubelet restarts a process whose `liveness` fails. A failing `readiness` only takes traffic away.
    """

    def __init__(self, liveness: Sequence[Check] = (), readiness: Sequence[Check] = ()) -> None:
        app = web.Application()
        app.router.add_get("/healthz", _Probe("healthz", liveness).answer)
        app.router.add_get("/readyz", _Probe("readyz", readiness).answer)
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


class _Probe:
    """One path. It logs when its result changes, because it may be asked many times a second."""

    def __init__(self, name: str, checks: Sequence[Check]) -> None:
        self._name = name
        self._checks = checks
        self._passed: bool | None = None
        """The last result; None before the first request."""

    async def answer(self, request: web.Request) -> web.Response:
        del request
        reasons = [reason for reason in map(_run, self._checks) if reason]
        self._log_change(reasons)
        if reasons:
            return web.Response(status=503, text="\n".join(reasons) + "\n")
        return web.Response(text="ok\n")

    def _log_change(self, reasons: list[str]) -> None:
        """A start is no fault: what has never passed is logged as information."""
        before, self._passed = self._passed, not reasons
        if before is self._passed:
            return
        if self._passed:
            _log.info("probe passes", probe=self._name)
        elif before is None:
            _log.info("probe does not pass yet", probe=self._name, reasons=reasons)
        else:
            _log.warning("probe failed", probe=self._name, reasons=reasons)


def _run(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"{getattr(check, '__qualname__', 'check')}: {type(error).__name__}: {error}"


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
