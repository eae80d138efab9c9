"""The client over a real socket: requests, answers, and broken connections."""

import socket
import threading
import time

import pytest

from stargate_api import Client, Refused, Timeout, Unreachable
from tests.unit.api.scripted_server import ARTICLE, KEY, job
from tests.unit.api.serving import Handler, serving


def client(url: str, **more: float) -> Client:
    given = {"timeout": 5.0, "retries": 0, **more}
    return Client(KEY, endpoint=url, namespace="team", **given)  # type: ignore[arg-type]


def test_request_carries_the_key_and_user_agent() -> None:
    with serving(lambda to: to.reply(200, job(phase="Running"))) as server, client(server.url) as c:
        assert c.get_job_status("job").state == "Running"
    ((method, path, headers),) = server.heard
    assert (method, path) == (
        "GET",
        "/apis/stargate.dev/v1alpha1/namespaces/team/stargatejobs/job",
    )
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["User-Agent"].startswith("stargate_api/")


def test_requests_reuse_one_connection() -> None:
    ports = set()

    def answer(to: Handler) -> None:
        ports.add(to.client_address[1])
        to.reply(200, job(phase="Running"))

    with serving(answer) as server, client(server.url) as c:
        for _ in range(3):
            c.get_job_status("job")
    assert len(ports) == 1


def test_retry_after_header_delays_the_retry() -> None:
    busy = iter([True, False])

    def answer(to: Handler) -> None:
        if next(busy):
            to.reply(429, {"message": "busy"}, Retry_After="1")
        else:
            to.reply(201, {})

    with serving(answer) as server, client(server.url, retries=1) as c:
        began = time.monotonic()
        c.submit_training_job(ARTICLE)
    assert time.monotonic() - began >= 1
    assert len(server.heard) == 2


def test_redirect_is_not_followed() -> None:
    with (
        serving(lambda to: to.reply(200, job())) as elsewhere,
        serving(lambda to: to.reply(307, {}, Location=elsewhere.url)) as server,
        client(server.url) as c,
        pytest.raises(Refused),
    ):
        c.get_job_status("job")
    assert elsewhere.heard == []


def test_dropped_connection_raises_unreachable() -> None:
    def hang_up(to: Handler) -> None:
        to.connection.shutdown(socket.SHUT_RDWR)
        to.close_connection = True

    with (
        serving(hang_up) as server,
        client(server.url) as c,
        pytest.raises(Unreachable, match=r"the connection to http://127.0.0.1:\d+ broke"),
    ):
        c.get_job_status("job")


def test_closed_port_raises_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        client(f"http://127.0.0.1:{port}") as c,
        pytest.raises(Unreachable, match="nothing listens"),
    ):
        c.get_job_status("job")


def test_unknown_host_raises_unreachable() -> None:
    with client("https://nowhere.invalid:6443") as c, pytest.raises(Unreachable, match="be found"):
        c.get_job_status("job")


def test_silent_server_raises_timeout() -> None:
    def stall(_: Handler) -> None:
        server.released.wait(10)

    with (
        serving(stall) as server,
        client(server.url, timeout=0.3) as c,
        pytest.raises(Timeout, match=r"no answer from .* in time"),
    ):
        c.get_job_status("job")


def test_log_lines_arrive_as_they_are_written() -> None:
    seen = threading.Event()

    def answer(to: Handler) -> None:
        if not to.path.split("?")[0].endswith("/log"):
            return to.reply(200, job(phase="Running"))
        to.begin()
        to.chunk(b"epoch 1\nepo")
        seen.wait(10)
        to.chunk(b"ch 2\n")
        to.chunk(b"")
        return None

    with serving(answer) as server, client(server.url) as c:
        lines = c.logs("job", follow=True)
        assert next(lines) == "epoch 1"
        seen.set()
        assert list(lines) == ["epoch 2"]


def test_closing_a_log_does_not_await_the_server() -> None:
    def answer(to: Handler) -> None:
        if not to.path.split("?")[0].endswith("/log"):
            return to.reply(200, job(phase="Running"))
        to.begin()
        to.chunk(b"epoch 1\n")
        server.released.wait(10)
        return None

    with serving(answer) as server, client(server.url) as c:
        lines = c.logs("job", follow=True)
        next(lines)
        began = time.monotonic()
        lines.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 2
