"""Runs `kubectl stargate` as a user with a key does: its console script, in a separate process."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kit.people import Person

BIN = Path(sys.executable).parent


@dataclass
class Shell:
    """The shell of a user who has set the variables for access to the cluster."""

    person: Person
    folder: Path

    def run(self, *words: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(BIN / "kubectl-stargate"), *words],
            env=self.environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def says(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fails(self, *words: str, stdin: str = "", **more: str) -> tuple[int, str]:
        done = self.run(*words, stdin=stdin, **more)
        assert done.stdout == ""
        return done.returncode, done.stderr.strip()

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("STARGATE_", "KUBE"))}
        return {**kept, **self.person.environment}
