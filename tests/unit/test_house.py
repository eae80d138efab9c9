"""The source tree as a whole, which no single module can check."""

import operator
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_source_root_is_no_package() -> None:
    assert not (REPO / "operator" / "__init__.py").exists()


def test_import_operator_gives_the_standard_library() -> None:
    assert operator.itemgetter(0)("abc") == "a"
    assert not Path(operator.__file__).is_relative_to(REPO)


def test_import_operator_in_repository_gives_standard_library() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import operator; print(operator.itemgetter(1)('ab'))"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "b"


def test_no_file_has_merge_conflict_marks() -> None:
    found = subprocess.run(
        ["git", "grep", "-nIE", "^(<{7}|>{7}) "], cwd=REPO, capture_output=True, text=True
    )
    assert found.returncode == 1, f"unresolved merge conflicts:\n{found.stdout}{found.stderr}"
