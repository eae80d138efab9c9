"""An empty cluster whose nodes match the chart's defaults."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process import operator_process as operators
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.toolchain import binaries
from tests.install.release import Release
from tests.install.replica import replica_of
from tests.kit.plane_recorder import recording_on
from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Scene, eventually
from tests.kit.worker import Worker

TEAM = "team"


@dataclass(frozen=True)
class Site:
    plane: ControlPlane
    audit_log: Path

    @contextmanager
    def operator(self, release: Release) -> Iterator[OperatorProcess]:
        """Runs the operator of one of the release's pods; it leads, or is on standby."""
        with operators.running(replica_of(self.plane, release.pods()[0])) as operator:
            yield operator

    @contextmanager
    def scene(self) -> Iterator[Scene]:
        """A team's namespace with a recorder, which checks the invariants there."""
        self.plane.api.create("/api/v1/namespaces", {"metadata": {"name": TEAM}})
        with recording_on(self.plane, TEAM, self.audit_log) as recorder:
            yield Scene(self.plane.api, TEAM, recorder)

    def shell(self, script: str) -> str:
        """Runs a script as a person would paste it into a shell. Returns its output."""
        tools = binaries.ensure(["kubectl"])["kubectl"].parent
        extra = {"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(
            ["bash", "-euc", script],
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def worker(job: JobStory, operator: OperatorProcess) -> Worker:
    """Rank 0, with the address and the CA of its start. Its reports go to this operator's port."""
    return Worker(job.story.api, job.rank(0), port=operator.ports.reports)


def saves(job: JobStory, operator: OperatorProcess, epoch: int) -> None:
    """Saves the next checkpoint: it is acknowledged and gets into the status."""
    eventually(lambda: operator.metric("stargate_leader") == 1, f"{operator.name} leading")
    reporter = worker(job, operator)
    eventually(
        lambda: reporter.saves(epoch).status == 200, "an acknowledgement, as a worker insists"
    )

    def is_in_status(now: Job) -> bool:
        return bool(now.newest_complete and now.newest_complete["epoch"] == epoch)

    assert job.wait(is_in_status, f"checkpoint {epoch}").phase == "Running"


def course(job: JobStory) -> tuple[int, int, list[tuple[str, str]]]:
    """Attempt, restarts and pods, which must not change while an operator is replaced."""
    now = job.now
    return now.attempt, now.restarts, [(pod.uid, pod.phase) for pod in job.pods()]
