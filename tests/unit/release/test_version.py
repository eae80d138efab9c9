"""pyproject.toml states the version, and all other places have the same version."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stargate_release import version
from stargate_release.__main__ import main
from stargate_release.version import PLACES, REPO, Place, ReleaseError

OURS = re.compile(r"ghcr\.io/stargate-dev/[\w/-]+:(\d[\w.-]*)")
SHIPPED = ("README.md", "CHANGELOG.md", "charts", "docs", "examples", "images", "pyproject.toml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that name the version, to be changed."""
    for path in {"pyproject.toml", *(place.path for place in PLACES)}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / path, tmp_path / path)
    return tmp_path


def released(tree: Path, number: str) -> Path:
    stated = tree / "pyproject.toml"
    stated.write_text(
        re.sub('^version = ".*"$', f'version = "{number}"', stated.read_text(), flags=re.M)
    )
    return tree


def test_all_places_have_the_same_version() -> None:
    assert [*version.lagging()] == [], "run `make manifests`"


def test_place_with_another_version_is_named(tree: Path) -> None:
    released(tree, "7.8.9")
    late = [*version.lagging(tree)]
    assert len(late) == len(PLACES)
    for line, place in zip(late, PLACES, strict=True):
        assert line.startswith(place.path)
        assert "7.8.9" in line


def test_version_is_written_to_its_places_only(tree: Path) -> None:
    before = {place.path: (tree / place.path).read_text() for place in PLACES}
    version.write(released(tree, "7.8.9"))
    assert [*version.lagging(tree)] == []
    version.write(released(tree, version.current()))
    assert {path: (tree / path).read_text() for path in before} == before


def test_place_without_a_version_is_named() -> None:
    with pytest.raises(ReleaseError, match=r"docs/x\.md"):
        Place("docs/x.md", "^VERSION=").with_version("nothing here", "1.2.3")


@pytest.mark.parametrize("form", ["1.2", "1.2.3rc1", "1.2.3-rc.1", "v1.2.3"])
def test_version_with_ambiguous_form_is_refused(tree: Path, form: str) -> None:
    with pytest.raises(ReleaseError, match="three numbers"):
        version.current(released(tree, form))


def test_every_named_image_has_the_version() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--", *SHIPPED],
        cwd=REPO,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    found = {
        (path, number)
        for path in filter(None, tracked)
        if (REPO / path).suffix in {".md", ".yaml", ".yml", ".tpl", ".txt"}
        for number in OURS.findall((REPO / path).read_text())
    }
    assert found, "the catalog names the trainer"
    assert {number for _, number in found} == {version.current()}, found


def test_everything_names_the_same_repository() -> None:
    found = subprocess.run(
        ["git", "grep", "-hoE", r"github\.com/stargate-dev/[A-Za-z0-9-]+", "--", *SHIPPED, "tools"],
        cwd=REPO,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert set(found) == {"github.com/stargate-dev/stargate-operator"}


def test_lock_file_has_the_version() -> None:
    locked = re.search(
        r'^name = "stargate-operator"\nversion = "(.*)"$', (REPO / "uv.lock").read_text(), re.M
    )
    assert locked
    assert locked[1] == version.current()


def test_tag_of_another_version_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "v99.0.0"]) == 1
    assert f"tag v{version.current()}" in capsys.readouterr().err


def test_version_is_printed_for_the_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"{version.current()}\n"
