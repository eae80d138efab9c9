"""Requests over HTTPS, by urllib3 as the official client sets it up (proxies, client certificates).

The Authorization header is added here and nowhere else, for one request at a time. Whatever urllib3
raises ends here as a Failure: its frames hold that header.
"""

import json
import ssl
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from stargate_api.connection import Connection
from stargate_api.exchange import Answer, Failure, Request, Stream
from stargate_api.secret import Secret

_CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024


class HttpTransport:
    """Safe for many threads; connections are kept and reused."""

    def __init__(self, connection: Connection, user_agent: str) -> None:
        self._connection = connection
        self._user_agent = user_agent
        pool: Any = RESTClientObject(connection.configuration).pool_manager
        self._pool: PoolManager = pool

    def __repr__(self) -> str:
        return f"<HttpTransport to {self._connection.server}>"

    def close(self) -> None:
        self._pool.clear()

    def send(self, request: Request) -> Answer | Failure | Stream:
        try:
            return self._exchange(request)
        except ConfigException as error:
            return Failure(f"the kubeconfig's user cannot log in: {error}", final=True)
        except Exception as error:  # also what urllib3 does not foresee: no frame of it may escape
            return failure_of(error, self._connection.server)
        except KeyboardInterrupt:
            pass
        raise KeyboardInterrupt  # anew, for the same reason

    def _exchange(self, request: Request) -> Answer | Stream:
        response = self._request(request)
        if request.streamed and 200 <= response.status < 300:
            return _Lines(response, self._connection.server)
        return Answer(response.status, response.data, _retry_after(response))

    def _request(self, request: Request) -> BaseHTTPResponse:
        url = self._connection.server + request.path
        if request.query:
            url += f"?{urlencode(request.query)}"
        return self._pool.request(
            request.method,
            url,
            body=None if request.body is None else json.dumps(request.body).encode(),
            headers=self._headers(request),
            timeout=Timeout(connect=min(_CONNECT_SECONDS, request.timeout), read=request.timeout),
            retries=False,
            redirect=False,
            preload_content=not request.streamed,
        )

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json, */*", "User-Agent": self._user_agent}
        if request.body is not None:
            headers["Content-Type"] = request.content
        # See docs/decisions/0024-a-failed-request-is-a-value.md.
        authorization = self._connection.authorization()
        if authorization:
            headers["Authorization"] = Secret(authorization)
        return headers


class _Lines:
    """A streamed answer, line by line."""

    def __init__(self, response: BaseHTTPResponse, server: str) -> None:
        self._response = response
        self._server = server
        self._pending = b""
        self._closed = False

    def next_line(self) -> bytes | Failure | None:
        try:
            while b"\n" not in self._pending:
                chunk = self._response.read1(_CHUNK)
                if not chunk:
                    rest, self._pending = self._pending, b""
                    return rest or None
                self._pending += chunk
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            return None if self._closed else failure_of(error, self._server)
        line, _, self._pending = self._pending.partition(b"\n")
        return line + b"\n"

    def close(self) -> None:
        """From any thread: whoever reads is woken, and reads the end."""
        self._closed = True
        with suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()
        self._response.close()


def failure_of(error: Exception, server: str) -> Failure:
    """In words, and without anything of the request."""
    cause = _root(error)
    match cause:
        case ssl.SSLCertVerificationError():
            return Failure(
                f"the certificate of {server} is not trusted ({cause.verify_message}): give the"
                " cluster's CA as ca_file or STARGATE_CA_FILE",
                final=True,
            )
        case ssl.SSLError() | SSLError():
            return Failure(f"no TLS connection with {server}: {cause}", final=True)
        case NameResolutionError() | LocationParseError():
            return Failure(f"the host of {server} cannot be found")
        case NewConnectionError() | ConnectionRefusedError():
            return Failure(f"no connection to {server}: nothing listens there")
        case ConnectTimeoutError() | ReadTimeoutError() | TimeoutError():
            return Failure(f"no answer from {server} in time", timed_out=True)
        case ProxyError():
            return Failure(f"the proxy on the way to {server} does not let us through")
        case _:
            return Failure(f"the connection to {server} broke ({type(cause).__name__})")


def _root(error: BaseException) -> BaseException:
    """What urllib3 wraps: its own classes say less than what it caught."""
    named = (NameResolutionError, ConnectTimeoutError, ReadTimeoutError, NewConnectionError)
    while not isinstance(error, named):
        inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
        if not isinstance(inner, BaseException):
            inner = error.__cause__
        if not isinstance(inner, BaseException):
            return error
        error = inner
    return error


def _retry_after(response: BaseHTTPResponse) -> float | None:
    """Seconds, or a date."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time()) if said else None
    except ValueError:
        return None
