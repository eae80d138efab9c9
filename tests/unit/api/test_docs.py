"""The pages of the client and the command line list what exists, and nothing else."""

import re
from pathlib import Path

import stargate_api
from stargate_api import Client, StargateError
from stargate_api.cli.app import app

REPO = Path(__file__).parents[3]
CLIENT = (REPO / "docs" / "client.md").read_text()
CLI = (REPO / "docs" / "cli.md").read_text()
BESIDE = {"close", "endpoint", "namespace", "server_version"}


def in_tables(text: str, pattern: str) -> set[str]:
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(pattern, row)}


def test_client_page_lists_every_method() -> None:
    calls = {name for name in dir(Client) if not name.startswith("_")} - BESIDE
    assert in_tables(CLIENT, r"`(\w+)\(") == calls


def test_client_page_lists_every_error() -> None:
    exported = (getattr(stargate_api, name) for name in stargate_api.__all__)
    errors = {
        each.__name__
        for each in exported
        if isinstance(each, type) and issubclass(each, StargateError) and each is not StargateError
    }
    assert in_tables(CLIENT, r"`([A-Z]\w+)`") == errors


def test_command_line_page_lists_every_command() -> None:
    commands = {
        each.name or each.callback.__name__ for each in app.registered_commands if each.callback
    }
    assert in_tables(CLI, r"`([a-z]+)[ `]") == commands


def test_client_page_shows_the_example_s_config() -> None:
    def config(text: str) -> str:
        found = re.search(r"^training_config = \{\n.*?^\}\n", text, re.M | re.S)
        assert found
        return found[0]

    assert config(CLIENT) == config((REPO / "examples" / "train_on_stargate.py").read_text())
