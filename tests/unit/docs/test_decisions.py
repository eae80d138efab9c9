"""Each decision record has its parts, is in the index, and is named by the code it protects."""

import re
from functools import cache
from pathlib import Path

import pytest

from stargate_release.version import REPO

FOLDER = REPO / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
CITATION = re.compile(r"docs/decisions/(\d{4}-[a-z0-9-]+)")
SECTIONS = ["Context", "Decision", "Alternatives", "Consequences"]
CODE = ("operator", "tools", "charts", "images", "pyproject.toml")
"""Folders of code with citations: a citation in a test does not stop somebody who changes code."""


def index() -> dict[str, tuple[str, str]]:
    """File name to title and status."""
    text = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| \[\d+\]\((.+?)\) \| (.+?) \| (.+?) \|$", text, re.M)
    return {name: (title, status) for name, title, status in rows}


@cache
def citations() -> frozenset[str]:
    roots = [REPO / name for name in CODE]
    files = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))]
    texts = [_text(path) for path in files if path.is_file() and "__pycache__" not in path.parts]
    return frozenset(name for text in texts for name in CITATION.findall(text))


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="ignore")


def test_records_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_index_lists_every_record() -> None:
    assert list(index()) == [path.name for path in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_record_has_its_parts(record: Path) -> None:
    text = record.read_text()
    title, status = index()[record.name]
    assert text.startswith(f"# {int(record.name[:4])}. {title}\n")
    assert re.search(rf"^- Status: {status}$", text, re.M)
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.M)
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    bodies = re.split(r"^## .+$", text, flags=re.M)[1:]
    assert all(body.strip() for body in bodies)


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_record_is_cited_by_code(record: Path) -> None:
    assert record.stem in citations()


def test_citations_lead_to_records() -> None:
    assert citations() <= {record.stem for record in RECORDS}
