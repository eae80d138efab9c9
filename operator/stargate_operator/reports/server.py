"""The HTTPS server for reports: one path, one method, one answer per connection.

It is aiohttp's low-level server without an application: no router, no middleware, no access log. Each
answer closes the connection, because an idle TLS connection costs 275 KiB. Each answer other than 200 is
a metav1.Status, also where aiohttp itself refuses a request.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from stargate_operator.reports.certificate import ServingCertificate
from stargate_operator.reports.errors import ReportRefused, as_status, not_found, unreadable
from stargate_operator.reports.handler import Incoming, ReportHandler
from stargate_operator.reports.listener import DEFAULT_LIMITS, Limits, Listener, Slot
from stargate_operator.reports.protocol import encode
from stargate_operator.telemetry import metrics

MAX_BODY_BYTES = 64 * 1024

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """Seconds that a client has: first for its headers, counted from the
    handshake, then for its body."""

    headers: float = 5.0
    body: float = 5.0
    shutdown: float = 2.0


DEFAULT_TIMEOUTS = Timeouts()


class ReportServer:
    """The HTTPS server that takes the workers' reports and hands them to the handler."""

    def __init__(
        self,
        handler: ReportHandler,
        certificate: ServingCertificate,
        *,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._handler = handler
        self._certificate = certificate
        self._timeouts = timeouts
        self._http = web.Server(self._handle)
        self._listener = Listener(self._connection, lambda: certificate.context, limits)
        self._watching: asyncio.Task[None] | None = None

    def start(self, host: str, port: int) -> None:
        """With an empty `host` it listens on all addresses, IPv4 and IPv6; with
        `port` 0 on any free port."""
        self._listener.start(host, port)
        self._watching = asyncio.create_task(self._certificate.watch())

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def connections(self) -> int:
        """Number of open connections, with those in their handshake."""
        return self._listener.connections

    def problem(self) -> str | None:
        """A problem for the liveness probe: without connections no job gets any progress."""
        return None if self._listener.accepting else "the report server accepts no connections"

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self._listener.close()
        await self._http.shutdown(self._timeouts.shutdown)
        await self._handler.close()

    def _connection(self, slot: Slot) -> "_Connection":
        return _Connection(self._http, slot, headers_seconds=self._timeouts.headers)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            answer = await self._handler.take(self._incoming(request))
        except ReportRefused as refusal:
            return _refused(refusal)
        except (web.RequestPayloadError, ConnectionError):
            return _refused(unreadable("the body ended early or is garbled"))
        except Exception:
            _log.exception("a report could not be handled")
            return _refused(_internal())
        return _response(HTTPStatus.OK, encode(answer))

    def _incoming(self, request: web.BaseRequest) -> Incoming:
        namespace, name = _job_of(request.raw_path)
        _only_post(request.method)
        _only_plain_json(request)
        return Incoming(
            namespace=namespace,
            name=name,
            authorization=request.headers.get("Authorization", ""),
            body=lambda: _read(request, self._timeouts.body),
        )


class _Connection(web.RequestHandler):
    """aiohttp's protocol, which also gives its slot back and refuses with a metav1.Status."""

    def __init__(self, server: web.Server, slot: Slot, *, headers_seconds: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=headers_seconds,
            lingering_time=1.0,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]  # None: aiohttp's own way to have none
            auto_decompress=False,
            max_field_size=16 * 1024,
        )
        self._slot = slot

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._slot.leave()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers a request that aiohttp's parser cannot read. It is not
        logged: strangers send noise."""
        del request, status, exc
        return _refused(unreadable(f"this is no HTTP request: {message or 'unreadable'}"))


def _job_of(path: str) -> tuple[str, str]:
    match path.partition("?")[0].split("/"):
        case [
            "",
            "apis",
            "stargate.dev",
            "v1alpha1",
            "namespaces",
            namespace,
            "stargatejobs",
            name,
            "report",
        ]:
            return namespace, name
    raise not_found(
        "reports go to"
        " /apis/stargate.dev/v1alpha1/namespaces/<namespace>/stargatejobs/<name>/report"
    )


def _only_post(method: str) -> None:
    if method != "POST":
        raise ReportRefused(
            HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "a report is sent with POST"
        )


def _only_plain_json(request: web.BaseRequest) -> None:
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise ReportRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "a report is uncompressed JSON with Content-Type: application/json",
        )
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()


async def _read(request: web.BaseRequest, seconds: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            await _invite(request)
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise _too_slow(seconds) from None
    return bytes(body)


async def _invite(request: web.BaseRequest) -> None:
    """Answers `Expect: 100-continue`: curl waits for it before it sends a body of more than 1 kB."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _too_large() -> ReportRefused:
    return ReportRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "RequestEntityTooLarge",
        f"a report has at most {MAX_BODY_BYTES} bytes",
    )


def _too_slow(seconds: float) -> ReportRefused:
    return ReportRefused(
        HTTPStatus.REQUEST_TIMEOUT, "Timeout", f"the body did not arrive within {seconds:g} s"
    )


def _internal() -> ReportRefused:
    return ReportRefused(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "InternalError",
        "the operator could not handle the report; its log says why",
        retry_after=2,
    )


def _refused(refusal: ReportRefused) -> web.Response:
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "POST"
    return _response(refusal.code, as_status(refusal), headers)


def _response(code: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    metrics.report_answered(code)
    response = web.Response(
        status=code,
        body=body,
        headers={"Content-Type": "application/json", "Server": "stargate", **(headers or {})},
    )
    response.force_close()
    return response
