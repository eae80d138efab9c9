"""Real processes instead of a gang's simulated containers, each with the environment of its pod.

Pods, tokens and the operator are real, but the nodes are simulated. So this module does the work of
their kubelets: it provides the token, sends SIGTERM when a pod is deleted, and reports exits.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stargate_lab.cluster.api import ApiError
from stargate_lab.host.paths import REPO
from tests.kit.recorder.history import Pod
from tests.kit.story import JobStory, eventually
from tests.kit.worker import Worker

TRAINING = REPO / "tests" / "kit" / "training.py"
_LOOK_SECONDS = 0.05


@dataclass
class Container:
    """One rank's process. While `cut_off`, its kubelet neither stops it nor reports its exit."""

    job: JobStory
    pod: Pod
    directory: Path
    arguments: Sequence[str]
    cut_off: bool = False
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True)
        token = self.directory / "token"
        token.write_text(Worker(self.job.story.api, self.pod).token)
        inside = {**self.pod.env, "STARGATE_REPORT_TOKEN_FILE": str(token)}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(TRAINING), *self.arguments],
                env={**_outer(), **inside, "PYTHONPATH": str(REPO / "operator")},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._kubelet = threading.Thread(target=self._keep, daemon=True)
        self._kubelet.start()

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def says(self, words: str, seconds: float = 60.0) -> None:
        eventually(lambda: words in self.log, f"{words!r} of {self.pod.name}", seconds)

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        """Clean up after the test."""
        self.cut_off = True
        self.process.kill()
        self.process.wait()
        self._kubelet.join(10)

    def _keep(self) -> None:
        stopping = False
        while self.process.poll() is None:
            if not stopping and not self.cut_off and self._is_deleted():
                stopping = True
                self.process.send_signal(signal.SIGTERM)
            time.sleep(_LOOK_SECONDS)
        if not self.cut_off:
            self._tell_exit(self.process.returncode)

    def _is_deleted(self) -> bool:
        pods = self.job.pods(self.pod.attempt)
        return not any(pod.uid == self.pod.uid and not pod.deleting for pod in pods)

    def _tell_exit(self, code: int) -> None:
        last = "\n".join(self.log.splitlines()[-5:])
        try:
            self.job.exits(self.pod, 128 - code if code < 0 else code, message=last)
        except ApiError as error:
            if error.status not in (404, 409):
                raise


@dataclass
class Machines:
    """Runs gangs below one directory, which all ranks share like a volume."""

    directory: Path
    _containers: list[Container] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path:
        return self.directory / "checkpoints"

    def run(self, job: JobStory, *arguments: str, attempt: int = 1) -> list[Container]:
        """Start the containers of this attempt, ordered by rank, once its phase is Running."""
        job.wait_phase("Running", attempt)
        started = [
            Container(job, pod, self.directory / pod.name, arguments) for pod in job.pods(attempt)
        ]
        self._containers += started
        return started

    def end(self) -> None:
        for container in self._containers:
            container.end()


@contextmanager
def machines(directory: Path) -> Iterator[Machines]:
    found = Machines(directory)
    try:
        yield found
    finally:
        found.end()


def _outer() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("STARGATE_", "KUBE"))}
