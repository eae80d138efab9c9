"""What `make e2e` measured, as docs/recovery.md shows it."""

import pytest

from tests.e2e.recovery import BEGIN, END, PAGE, Recovery, table, with_table

ROW = Recovery(
    fault="out of memory",
    training_of="plain",
    cause="OOMKilled",
    detected=0.44,
    training=5.06,
    lost=1,
    resumed=4,
)


def test_a_row_is_a_fault() -> None:
    *_, row = table([ROW]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["out of memory", "plain", "OOMKilled", "0.4", "5.1", "1"]


def test_only_what_is_between_the_marks_is_written() -> None:
    page = f"before\n{BEGIN}\n\nold\n\n{END}\nafter"
    assert with_table(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_table("nothing of the kind", "new")


def test_the_page_has_its_marks() -> None:
    assert BEGIN in PAGE.read_text()
    assert END in PAGE.read_text()
