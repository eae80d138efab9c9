"""Finds a Python that imports torch: $TRAINER_PYTHON or a system one. The tests' own has no torch."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.gang import DATA, Gang
from tests.trainer.sink import RunningSink, Sink

_CANDIDATES = (os.environ.get("TRAINER_PYTHON", ""), "python3", "/usr/bin/python3")

MakeGang = Callable[..., Gang]


@pytest.fixture(scope="session")
def python() -> str:
    for candidate in filter(shutil.which, filter(None, _CANDIDATES)):
        if subprocess.run([candidate, "-c", "import torch"], capture_output=True).returncode == 0:
            return candidate
    pytest.skip("no Python here imports torch: set TRAINER_PYTHON to one that does")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with RunningSink(tmp_path / "certificates") as sink:
        yield sink


@pytest.fixture
def gang(tmp_path: Path, python: str, sink: Sink) -> Iterator[MakeGang]:
    """Creates gangs that share one data set, each with its own storage."""
    made: list[Gang] = []

    def make(**spec: Any) -> Gang:
        storage = tmp_path / f"storage-{len(made)}"
        shutil.copytree(DATA, storage / "datasets")
        sink.heard.clear()
        made.append(Gang(storage, python, sink, spec))
        return made[-1]

    yield make
    for created in made:
        created.end()
