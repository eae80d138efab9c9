"""Every command takes the options that choose a cluster, and connects by them."""

from typing import Any

import pytest
from typer.testing import CliRunner

from stargate_api.cli import connection_options
from stargate_api.cli.app import app

GIVEN = {"namespace": "team", "context": "two", "kubeconfig": "/there"}
FLAGS = [part for name, value in GIVEN.items() for part in (f"--{name}", value)]


class FakeClient:
    """Keeps the arguments of the last client."""

    made: dict[str, Any]

    def __init__(self, **arguments: Any) -> None:
        FakeClient.made = arguments

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def list_jobs(self, *, all_namespaces: bool) -> list[Any]:
        del all_namespaces
        return []

    namespace = "team"

    def query_available_compute(self, *_: object) -> list[Any]:
        return []


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_options, "Client", FakeClient)


def options_of(command: str) -> set[str]:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    return {name for name in GIVEN if f"--{name}" in shown.output}


@pytest.mark.parametrize(
    "command",
    ["submit", "check", "list", "status", "watch", "logs", "suspend", "resume", "cancel"],
)
def test_job_command_takes_every_connection_option(command: str) -> None:
    assert options_of(command) == set(GIVEN)


@pytest.mark.parametrize("command", ["compute", "version"])
def test_cluster_command_takes_no_namespace(command: str) -> None:
    assert options_of(command) == {"context", "kubeconfig"}


def test_command_connects_with_its_options() -> None:
    done = CliRunner().invoke(app, ["list", *FLAGS])
    assert done.exit_code == 0, done.output
    assert FakeClient.made == GIVEN


def test_command_without_options_states_nothing() -> None:
    done = CliRunner().invoke(app, ["compute"])
    assert done.exit_code == 0, done.output
    assert FakeClient.made == dict.fromkeys(GIVEN)
