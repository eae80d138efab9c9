"""The house itself: what no module of it can see from inside."""

import operator
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_the_source_root_is_no_package_of_that_name() -> None:
    assert not (REPO / "operator" / "__init__.py").exists()


def test_operator_is_the_standard_library_s() -> None:
    assert operator.itemgetter(0)("abc") == "a"
    assert not Path(operator.__file__).is_relative_to(REPO)


def test_so_it_is_in_the_repository_s_root() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import operator; print(operator.itemgetter(1)('ab'))"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "b"
