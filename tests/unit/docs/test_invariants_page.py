"""docs/invariants.md numbers its invariants, and names checks and tests that exist."""

import re

import pytest

from stargate_release.version import REPO
from tests.kit.recorder.checks import CHECKS, Check

TEXT = (REPO / "docs" / "invariants.md").read_text()
SECTIONS = {
    int(number): text
    for number, text in re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", TEXT, re.M | re.S)
}


def named(section: str, label: str) -> set[str]:
    """Words in backticks of the list entry `label`, or of its plural, with its continued lines."""
    entries = re.findall(rf"^- {label}s?: (.*?)(?=^- |\Z)", section, re.M | re.S)
    return set(re.findall(r"`([\w/.]+)`", " ".join(entries)))


def test_invariants_are_numbered_without_a_gap() -> None:
    assert list(SECTIONS) == list(range(1, 19))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_is_listed_under_its_invariant(check: type[Check]) -> None:
    assert check.__name__ in named(SECTIONS[check.invariant], "Check")


@pytest.mark.parametrize("number", SECTIONS)
def test_invariant_names_existing_checks_and_tests(number: int) -> None:
    section = SECTIONS[number]
    assert named(section, "Check") <= {check.__name__ for check in CHECKS}
    assert [path for path in named(section, "Test") if not (REPO / path).is_file()] == []


@pytest.mark.parametrize("number", SECTIONS)
def test_invariant_has_a_test_or_states_its_gap(number: int) -> None:
    assert named(SECTIONS[number], "Test") or "- Gap: " in SECTIONS[number]
