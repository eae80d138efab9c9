"""Sends requests over HTTPS with urllib3, which the official client sets up (proxies, certificates).

Only this module adds the Authorization header, to one request at a time. It turns every exception
of urllib3 into a Failure, because the frames of that exception hold the header.
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

from stargate_api._client.connection import Connection
from stargate_api._client.secret import Secret
from stargate_api._client.steps import Answer, Failure, Request, Stream

_CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024


class HttpTransport:
    """Sends requests to one API server. Threads may share it; it keeps and reuses connections."""

    def __init__(self, connection: Connection, user_agent: str) -> None:
        self._connection = connection
        self._user_agent = user_agent
        pool: Any = RESTClientObject(connection.configuration).pool_manager
        self._pool: PoolManager = pool

    def __repr__(self) -> str:
        return f"<HttpTransport to {self._connection.server}>"

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._pool.clear()

    def send(self, request: Request) -> Answer | Failure | Stream:
        """The answer, the failure, or the stream of a request; raises nothing else."""
        try:
            return self._answer(request)
        except ConfigException as error:
            return Failure(f"the kubeconfig's user cannot log in: {error}", final=True)
        except Exception as error:  # every exception: no frame of urllib3 may escape
            return failure_of(error, self._connection.server)
        except KeyboardInterrupt:
            pass
        raise KeyboardInterrupt  # a new one, without the frames of urllib3

    def _answer(self, request: Request) -> Answer | Stream:
        response = self._request(request)
        if request.streamed and 200 <= response.status < 300:
            return _LineStream(response, self._connection.server)
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


class _LineStream:
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
        """Callable from any thread. A thread that reads wakes up and gets the end of the stream."""
        self._closed = True
        with suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()
        self._response.close()


def failure_of(error: Exception, server: str) -> Failure:
    """The failure that an exception of urllib3 stands for, without any part of the request."""
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
            return Failure(f"the proxy on the way to {server} refuses the connection")
        case _:
            return Failure(f"the connection to {server} broke ({type(cause).__name__})")


def _root(error: BaseException) -> BaseException:
    """The innermost cause: urllib3's own classes say less than the exception that they wrap."""
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
    """The Retry-After header in seconds, whether it holds seconds or a date. None without one."""
    header = response.headers.get("Retry-After", "").strip()
    if header.isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time()) if header else None
    except ValueError:
        return None
