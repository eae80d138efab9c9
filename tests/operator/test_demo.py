"""A small `make demo`: it keeps its promises and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from stargate_lab.host.paths import REPO, RUN_DIR

PROMISES = [
    "phase Succeeded",
    "attempt 2",
    "restarts 1",
    "restoredFrom epoch 40",
    "workers succeeded 20",
    "attempt 1 ended by rank 2",
    "attempt 1 ended with exit code 137",
]
SECONDS = 240.0


@dataclass
class Demo:
    name: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        until = time.monotonic() + SECONDS
        while words not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < until, self.output
            time.sleep(0.1)

    def left_behind(self) -> list[str]:
        """The traces after ten seconds at most: an interrupted kubectl takes a moment to end."""
        until = time.monotonic() + 10.0
        while (found := self._traces()) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    def _traces(self) -> list[str]:
        """Command lines that contain this demo's directory, and the directory itself."""
        commands = (p / "cmdline" for p in Path("/proc").iterdir() if p.name.isdigit())
        running = [c for c in map(_read, commands) if str(self.directory) in c]
        return running + [str(self.directory)] * self.directory.exists()

    @property
    def directory(self) -> Path:
        return RUN_DIR / self.name


def _read(file: Path) -> str:
    try:
        return file.read_text().replace("\0", " ")
    except OSError:
        return ""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A running demo with 20 nodes and epochs of 0.1 s."""
    name, log = f"demo-{uuid4().hex[:6]}", tmp_path / "output"
    command = [sys.executable, "-m", "stargate_lab", "demo", "--name", name]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--epoch-seconds", "0.1"],
            cwd=REPO,
            env=environment(NODES="20"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    yield Demo(name, log, process)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(60)


def environment(**extra: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "KEEP"}
    return {**inherited, "PYTHONPATH": f"{REPO / 'operator'}:{REPO / 'tools'}", **extra}


def test_demo_keeps_promises_and_leaves_nothing_behind(demo: Demo) -> None:
    code = demo.process.wait(SECONDS)

    assert code == 0, demo.output
    assert [p for p in PROMISES if f"ok    {p}" not in demo.output] == []
    assert "simulated: the 20 machines" in demo.output
    assert "$ kubectl get sj" in demo.output
    assert "restart: kill to all running" in demo.output
    assert demo.left_behind() == []


def test_demo_survives_a_killed_operator(demo: Demo) -> None:
    demo.wait_for("all 20 workers running")
    os.kill(int((demo.directory / "operator" / "pid").read_text()), signal.SIGKILL)

    assert demo.process.wait(SECONDS) == 0, demo.output
    assert "the operator ended, and is started again" in demo.output
    assert demo.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_cleans_up(demo: Demo, number: signal.Signals) -> None:
    demo.wait_for("all 20 workers created")
    demo.process.send_signal(number)

    assert demo.process.wait(60) == 130
    assert demo.left_behind() == []


def test_demo_interrupted_during_start_cleans_up(demo: Demo) -> None:
    demo.wait_for("starting:")
    time.sleep(1)
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(60) == 130
    assert demo.left_behind() == []
