"""A cluster with machines of the kind that the chart's defaults are for, and nothing else in it."""

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
        """In one of the release's pods; it leads, or stands by."""
        with operators.running(replica_of(self.plane, release.pods()[0])) as operator:
            yield operator

    @contextmanager
    def scene(self) -> Iterator[Scene]:
        """A team's namespace, recorded: the invariants held there."""
        self.plane.api.create("/api/v1/namespaces", {"metadata": {"name": TEAM}})
        with recording_on(self.plane, TEAM, self.audit_log) as recorder:
            yield Scene(self.plane.api, TEAM, recorder)

    def shell(self, script: str) -> str:
        """What a person pastes into theirs."""
        tools = binaries.ensure(["kubectl"])["kubectl"].parent
        ours = {"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(
            ["bash", "-euc", script],
            env={**os.environ, **ours},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def worker(job: JobStory, operator: OperatorProcess) -> Worker:
    """Rank 0, with the address and the CA it was started with; a Service leads it to the leader."""
    return Worker(job.story.api, job.rank(0), port=operator.ports.reports)


def saves(job: JobStory, operator: OperatorProcess, epoch: int) -> None:
    """Its next checkpoint is acknowledged, and stands."""
    eventually(lambda: operator.metric("stargate_leader") == 1, f"{operator.name} leading")
    assert worker(job, operator).saves(epoch).status == 200

    def stands(now: Job) -> bool:
        return bool(now.newest_complete and now.newest_complete["epoch"] == epoch)

    assert job.wait(stands, f"checkpoint {epoch}").phase == "Running"


def course(job: JobStory) -> tuple[int, int, list[tuple[str, str]]]:
    """What must stay as it is while an operator comes and goes: attempt, restarts, pods."""
    now = job.now
    return now.attempt, now.restarts, [(pod.uid, pod.phase) for pod in job.pods()]
