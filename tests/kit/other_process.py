"""A run in another process: a seed must give the same there, whatever the order of Python's sets."""

import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]


def last_line_of(program: str) -> str:
    """The last line that a Python program prints. Its hash seed is another one than this process has."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPO,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": "operator:tools:."},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]
