"""The key is in the request's header, and in nothing that a program may print."""

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stargate_api import AsyncClient, Client, StargateError
from tests.unit.api.scripted_server import ARTICLE, KEY, job
from tests.unit.api.serving import Handler, serving


def everything_of(error: BaseException) -> str:
    """The traceback with the variables of every frame, and with every earlier exception."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(found.format()) + repr(error) + str(vars(error))


def refuse(to: Handler) -> None:
    to.reply(403, {"message": "no"}, Www_Authenticate="Bearer")


def hang_up(to: Handler) -> None:
    to.close_connection = True
    to.connection.close()


def garble(to: Handler) -> None:
    to.wfile.write(b"garbage\r\n\r\n")
    to.close_connection = True


@pytest.mark.parametrize("answering", [refuse, hang_up, garble])
def test_request_error_hides_the_key(answering: Callable[[Handler], None]) -> None:
    with serving(answering) as server:
        client = _client(server.url)
        with pytest.raises(StargateError) as caught:
            client.submit_training_job(ARTICLE)
    assert KEY not in everything_of(caught.value)


@pytest.mark.parametrize(
    "given", [{"endpoint": "nonsense"}, {"endpoint": "https://a", "namespace": "A"}]
)
def test_settings_error_hides_the_key(given: dict[str, Any]) -> None:
    with pytest.raises(StargateError) as caught:
        _client(**given)
    assert KEY not in everything_of(caught.value)


def test_malformed_key_error_hides_the_key() -> None:
    with pytest.raises(StargateError) as caught:
        Client(_hidden_from_this_frame()[0], endpoint="https://a")
    assert KEY not in everything_of(caught.value)


def test_environment_error_hides_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARGATE_API_KEY", KEY)
    monkeypatch.setenv("STARGATE_ENDPOINT", "nonsense")
    with pytest.raises(StargateError) as caught:
        Client()
    assert KEY not in everything_of(caught.value)


def test_interrupted_request_hides_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback goes through urllib3, whose frames hold the headers."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib3.connection.HTTPConnection.connect", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        _client("http://127.0.0.1:1").get_job_status("job")
    assert KEY not in everything_of(caught.value)


def test_repr_hides_the_key() -> None:
    client = _client("https://a:1")
    assert repr(client) == "<Client of https://a:1, namespace default>"
    assert not [each for each in _parts(client) if KEY in repr(each)]
    assert KEY not in repr(AsyncClient(KEY, endpoint="https://a:1"))


def test_log_hides_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda to: to.reply(200, job(phase="Running"))) as server:
        _client(server.url).get_job_status("job")
    with pytest.raises(StargateError):
        _client(server.url).get_job_status("job")
    assert caplog.records
    assert KEY not in caplog.text


def _client(endpoint: str, **more: Any) -> Client:
    return Client(KEY, endpoint=endpoint, timeout=5, retries=0, **more)


def _hidden_from_this_frame() -> tuple[str, ...]:
    return (f"{KEY} and more",)


def _parts(thing: Any, depth: int = 4) -> Iterator[Any]:
    """The object, its attributes, and theirs, down to a depth."""
    yield thing
    if depth and hasattr(thing, "__dict__"):
        for part in vars(thing).values():
            yield from _parts(part, depth - 1)
