"""The results go into their own section of the README."""

import pytest

from bench import readme


def test_only_text_between_marks_is_replaced() -> None:
    once = readme.with_results(f"# Bench\n\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", "new")
    assert once == f"# Bench\n\n{readme.BEGIN}\n\nnew\n\n{readme.END}\nafter\n"
    assert readme.with_results(once, "new") == once


def test_the_readme_has_its_marks() -> None:
    assert "results" in readme.with_results(readme.FILE.read_text(), "results")


def test_a_readme_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks its marks"):
        readme.with_results("# Bench", "new")
