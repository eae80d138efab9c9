"""docs/glossary.md names classes that exist, and has each word once."""

import re

from stargate_release.version import REPO

TEXT = (REPO / "docs" / "glossary.md").read_text()
CLASSES = {
    name
    for path in (REPO / "operator").rglob("*.py")
    for name in re.findall(r"^class (\w+)", path.read_text(), re.M)
}


def test_classes_in_the_glossary_exist() -> None:
    assert set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", TEXT)) <= CLASSES


def test_each_word_has_one_entry() -> None:
    words = [
        word for entry in re.findall(r"^\| (.+?) \|", TEXT, re.M) for word in entry.split(", ")
    ]
    entries = [word for word in words if word not in ("word", "---")]
    assert sorted(entries) == sorted(set(entries))
