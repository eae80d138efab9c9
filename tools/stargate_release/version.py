"""The version, and the files that repeat it.

pyproject.toml states it. `make manifests` writes it to all other files, so that a release needs one
edited line.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]

_FORM = re.compile(r"\d+\.\d+\.\d+")


class ReleaseError(ValueError):
    """This tree cannot be released; the message says what to change."""


@dataclass(frozen=True)
class Place:
    """A file that repeats the version; `before` matches the text before it in its line."""

    path: str
    before: str

    def versions(self, text: str) -> list[str]:
        return re.findall(f"{self._before}({_FORM.pattern})", text, re.M)

    def with_version(self, text: str, version: str) -> str:
        written, count = re.subn(
            f"({self._before}){_FORM.pattern}", rf"\g<1>{version}", text, flags=re.M
        )
        if not count:
            raise ReleaseError(f"{self.path}: no version stands after {self.before!r}")
        return written

    @property
    def _before(self) -> str:
        return f"(?:{self.before})"


PLACES = (
    Place("charts/stargate-operator/Chart.yaml", "^version: "),
    Place("charts/stargate-operator/Chart.yaml", "^appVersion: "),
    Place("examples/catalog.yaml", "ghcr.io/stargate-dev/trainer:"),
    Place("docs/install.md", "^VERSION="),
)


def current(repo: Path = REPO) -> str:
    stated = str(tomllib.loads((repo / "pyproject.toml").read_text())["project"]["version"])
    if not _FORM.fullmatch(stated):
        raise ReleaseError(
            f"pyproject.toml: version {stated!r} must be three numbers: only those mean the same to"
            " Python, to Helm and to a tag of an image"
        )
    return stated


def write(repo: Path = REPO) -> None:
    version = current(repo)
    for place in PLACES:
        path = repo / place.path
        path.write_text(place.with_version(path.read_text(), version))


def lagging(repo: Path = REPO) -> Iterator[str]:
    """The places that name another version, or none."""
    version = current(repo)
    for place in PLACES:
        found = place.versions((repo / place.path).read_text())
        if set(found) != {version}:
            yield f"{place.path} says {', '.join(found) or 'nothing'}, pyproject.toml {version}"
