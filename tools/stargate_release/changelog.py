"""The notes of a release: its section of CHANGELOG.md, in the format of keepachangelog.com."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stargate_release.version import ReleaseError

_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>.+))?$", re.M)
_LINKS = re.compile(r"^\[[^\]]+\]: \S+$", re.M)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Section:
    """The section of one version; `date` is empty until it is released."""

    version: str
    date: str
    text: str


def sections(changelog: str) -> Iterator[Section]:
    headings = [*_HEADING.finditer(changelog)]
    ends = [*(each.start() for each in headings[1:]), len(changelog)]
    for heading, end in zip(headings, ends, strict=True):
        date = heading["date"] or ""
        text = _LINKS.sub("", changelog[heading.end() : end]).strip()
        yield Section(heading["version"], date if _DATE.fullmatch(date) else "", text)


def notes(changelog: str, version: str) -> str:
    """The text of the release page."""
    found = next((each for each in sections(changelog) if each.version == version), None)
    if found is None:
        raise ReleaseError(f"CHANGELOG.md has no section '## [{version}] - <date>'")
    if not found.date:
        raise ReleaseError(f"CHANGELOG.md: the section of {version} needs its date, as 2026-01-31")
    if not found.text:
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}")
    return found.text + "\n"
