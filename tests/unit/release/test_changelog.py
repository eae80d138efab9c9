"""The notes of a release are its section of the changelog, and a release without them is refused."""

from pathlib import Path

import pytest

from stargate_release import __main__ as command
from stargate_release import changelog, version
from stargate_release.changelog import sections
from stargate_release.version import REPO, ReleaseError

GIVEN = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-02-01

### Added

- Elastic gangs.

## [0.1.0] - 2026-01-01

The first.

[0.2.0]: https://example.org/0.2.0
[0.1.0]: https://example.org/0.1.0
"""


def test_notes_are_the_section_of_their_version() -> None:
    assert changelog.notes(GIVEN, "0.2.0") == "### Added\n\n- Elastic gangs.\n"
    assert changelog.notes(GIVEN, "0.1.0") == "The first.\n", "without the links at the end"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (GIVEN.replace("0.2.0", "0.3.0"), r"no section '## \[0\.2\.0\]"),
        (GIVEN.replace(" - 2026-02-01", ""), "needs its date"),
        (GIVEN.replace("2026-02-01", "Unreleased"), "needs its date"),
        (GIVEN.replace("### Added\n\n- Elastic gangs.\n", ""), "says nothing of 0.2.0"),
    ],
    ids=["missing", "undated", "unreleased", "empty"],
)
def test_version_without_notes_is_not_released(given: str, words: str) -> None:
    with pytest.raises(ReleaseError, match=words):
        changelog.notes(given, "0.2.0")


def test_changelog_begins_with_this_version() -> None:
    told = [each for each in sections((REPO / "CHANGELOG.md").read_text()) if each.text]
    assert told[0].version in (version.current(), "Unreleased")
    assert version.current() in [each.version for each in told]


def test_release_needs_a_dated_section_and_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = version.current()
    monkeypatch.setattr(command, "REPO", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(f"## [{number}] - Unreleased\n\nNews.\n")
    assert command.main(["check", f"v{number}"]) == 1
    assert "needs its date" in capsys.readouterr().err

    (tmp_path / "CHANGELOG.md").write_text(f"## [{number}] - 2026-01-01\n\nNews.\n")
    assert command.main(["check", f"v{number}"]) == 0
    assert command.main(["notes"]) == 0
    assert capsys.readouterr().out == "News.\n"
