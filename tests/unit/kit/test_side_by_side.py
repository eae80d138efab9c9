"""The choice of the file that a worker runs next."""

import subprocess
import sys
from pathlib import Path

from tests.kit.side_by_side import folder_of, next_scope

LEFT = {
    "tests/faults/test_a.py": 3,
    "tests/faults/test_b.py": 9,
    "tests/operator/test_c.py": 20,
    "tests/unit/test_d.py": 50,
}


def test_worker_stays_in_folder_while_files_are_left() -> None:
    assert next_scope(LEFT, "tests/unit", []) == "tests/unit/test_d.py"


def test_new_worker_goes_where_most_time_is_left() -> None:
    assert next_scope(LEFT, "", []) == "tests/faults/test_b.py"


def test_folder_with_many_workers_is_left_to_them() -> None:
    crowd = ["tests/faults"] * 3
    assert next_scope(LEFT, "", crowd) == "tests/operator/test_c.py"


def test_worker_leaves_a_folder_without_files() -> None:
    assert next_scope(LEFT, "tests/install", []) == "tests/faults/test_b.py"


def test_folder_is_found_for_tests_and_nested_files() -> None:
    assert folder_of("tests/install/test_install.py::test_it[a/b]") == "tests/install"
    assert folder_of("tests/unit/kube/test_tls.py") == "tests/unit"


def _run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


CONFTEST = """
import pytest
from tests.kit.side_by_side import OneFolderAWorker

@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):
    return OneFolderAWorker(config, log)

@pytest.fixture(scope="package")
def plane(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp().parent / "planes"
    folder.mkdir(exist_ok=True)
    (folder / tmp_path_factory.mktemp("plane").parent.name).touch(exist_ok=False)
"""


def test_worker_starts_one_plane_for_each_folder(tmp_path: Path) -> None:
    folder = tmp_path / "suite" / "some"
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(CONFTEST)
    for name in "abcdef":
        tests = "".join(f"def test_{n}(plane): pass\n" for n in range(4))
        (folder / f"test_{name}.py").write_text(tests)
    repository = Path(__file__).parents[3]
    options = ["-n", "2", "-c", "/dev/null", "--rootdir", str(tmp_path), "--import-mode=importlib"]
    paths = ["-o", f"pythonpath={repository}", "--basetemp", str(tmp_path / "base")]

    done = _run(tmp_path, *options, *paths, "suite")

    assert "24 passed" in done.stdout, done.stdout + done.stderr
    assert 1 <= len(list((tmp_path / "base" / "planes").iterdir())) <= 2
