"""docs/architecture.md is a map on which every room and every file of the operator can be found."""

import re
import tomllib
from pathlib import Path

import pytest

from stargate_release.version import REPO

TEXT = (REPO / "docs" / "architecture.md").read_text()
OPERATOR = REPO / "operator" / "stargate_operator"
ROOMS = {path.parent.name for path in OPERATOR.glob("*/__init__.py")}
ROWS = dict(re.findall(r"^\| `(\w+)/` \| (.+) \|$", TEXT, re.M))


def files_of(room: str) -> set[str]:
    return {path.name for path in (OPERATOR / room).glob("*.py")} - {"__init__.py"}


def test_map_has_every_room() -> None:
    assert set(ROWS) == ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_map_has_every_file_of_a_room(room: str) -> None:
    assert set(re.findall(r"`(\w+\.py)`", ROWS[room])) == files_of(room)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\w+/\w+\.py)`", TEXT))))
def test_file_on_the_page_exists(path: str) -> None:
    assert (OPERATOR / path).is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:operator|tools|tests)/\w+)`", TEXT))))
def test_folder_on_the_page_exists(path: str) -> None:
    assert (REPO / path).is_dir()


def test_floors_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]
    rules = {rule["name"]: rule for rule in contracts["contracts"]}
    layers = rules["The rooms stand in this order"]["layers"]
    drawn = re.findall(r"^ \d +(.+)$", TEXT, re.M)
    floors = [_names(line) for line in drawn]
    assert floors == [_names(layer) for layer in layers if not layer.endswith("__main__")]


def _names(line: str) -> set[str]:
    """The rooms of a floor, as the page or as the contract names them."""
    words = line.replace("|", " ").split()
    return {Path(word.removeprefix("stargate_operator.")).stem for word in words}
