"""Liveness, readiness and metrics over plain HTTP, for the kubelet and Prometheus.

A check returns what is wrong, or None. A check that raises has failed: a broken watchdog must not look
healthy.
"""

import logging
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

from stargate_operator.telemetry import metrics

Check = Callable[[], str | None]

_log = structlog.get_logger(__name__)


class Probes:
    """The HTTP server of the probes and the metrics.

    The kubelet restarts a process whose `liveness` fails. A failing `readiness` only takes traffic away.
    """

    def __init__(self, liveness: Sequence[Check] = (), readiness: Sequence[Check] = ()) -> None:
        self._answers: dict[str, Callable[[], web.Response]] = {
            "/healthz": _Probe("healthz", liveness).answer,
            "/readyz": _Probe("readyz", readiness).answer,
            "/metrics": _metrics,
        }
        # No application: its own handling of `Expect` fails for bytes that are no UTF-8.
        server = web.Server(self._handle, access_log=None, logger=_without_noise())
        self._runner = web.ServerRunner(server)

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

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self._answers.get(request.path)
        if answer is None:
            paths = ", ".join(self._answers)
            return web.Response(status=404, text=f"there are {paths}\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="use GET\n", headers={"Allow": "GET, HEAD"})
        return answer()


class _Probe:
    """One path. It logs when its result changes, because it may be asked many times a second."""

    def __init__(self, name: str, checks: Sequence[Check]) -> None:
        self._name = name
        self._checks = checks
        self._passed: bool | None = None
        """The last result; None before the first request."""

    def answer(self) -> web.Response:
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


def _without_noise() -> logging.Logger:
    """aiohttp's logger without requests that are no HTTP: strangers send noise."""
    logger = server_logger.getChild("probes")
    logger.addFilter(_is_no_noise)
    return logger


def _is_no_noise(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _metrics() -> web.Response:
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
