"""The demo's steps, with fakes of the control plane, the operator and the trainers."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from stargate_lab.cluster import fleet, installation
from stargate_lab.demo import play as module
from stargate_lab.demo.play import STALL_SECONDS, Demo, DemoError, Options
from stargate_lab.process import simulated_cluster
from stargate_lab.process.operator_process import OperatorError
from stargate_lab.toolchain import binaries
from stargate_lab.workload.training import Behaviour
from tests.unit.lab.test_demo_timeline import finished, workers
from tests.unit.lab.test_waiting import Time

BUILD_SECONDS = 2 * STALL_SECONDS
LOG_LINE = '{"level": "warning", "event": "a line of the log"}'
Json = dict[str, Any]


def job(version: int, status: Json) -> Json:
    return {"metadata": {"resourceVersion": str(version)}, "status": status}


SUCCEEDED = job(9, finished().model_dump(mode="json", by_alias=True, exclude_none=True))
STARTING = job(1, {"phase": "Starting", "workers": workers(4, 2, 1)})


@dataclass
class Plane:
    run_dir: Path
    jobs: tuple[Json, ...]
    name: str = "demo"
    credentials: None = None

    @property
    def directory(self) -> Path:
        return self.run_dir / self.name

    @property
    def api(self) -> "Plane":
        return self

    def start(self) -> None:
        (self.directory / "operator").mkdir(parents=True)

    def get(self, path: str) -> Json:
        return self.jobs[-1] if path.startswith(module.JOBS) else {"items": [], "metadata": {}}

    def cpu_seconds(self, component: str) -> float:
        return {"etcd": 1.0}.get(component, 0.0)


@dataclass
class Operator:
    plane: Plane
    fails_with: Exception | None = None
    pid: int = 7

    @property
    def log_path(self) -> Path:
        return self.plane.directory / "operator" / "operator.log"

    def start(self) -> None:
        self.log_path.write_text(f"{LOG_LINE}\n")
        if self.fails_with:
            raise self.fails_with

    def metrics(self) -> str:
        return ""

    def cpu_seconds(self) -> float:
        return 0.0

    def peak_rss_bytes(self) -> int:
        return 0


@dataclass
class Trainer:
    behaviour: Behaviour
    pid: int = 8
    events: Callable[[], list[Json]] = list

    def start(self) -> None:
        """It trains nothing."""

    def cpu_seconds(self) -> float:
        return 0.0


@dataclass
class Lab:
    """A demo of four nodes whose binaries take longer to build than it waits for a change."""

    directory: Path
    patch: pytest.MonkeyPatch
    time: Time = field(default_factory=Time)

    def demo(self, *jobs: Json, fails_with: Exception | None = None) -> Demo:
        plane = Plane(self.directory, jobs)
        self._replace(binaries, "ensure", lambda: self.time.sleep(BUILD_SECONDS))
        self._replace(simulated_cluster, "down", Mock())
        self._replace(fleet, "create", Mock())
        for name in ("install", "apply", "kubectl"):
            self._replace(installation, name, Mock(return_value=""))
        self._replace(module, "follow", Mock(return_value=iter(jobs)))
        self._replace(module, "ControlPlane", Mock(return_value=plane))
        self._replace(module, "OperatorProcess", partial(Operator, fails_with=fails_with))
        trainer = Trainer(Options(nodes=4).behaviour)
        self._replace(module, "TrainerProcess", Mock(return_value=trainer))
        return Demo(Options(nodes=4), Console(file=io.StringIO()), clock=self.time.clock)

    def _replace(self, owner: object, name: str, stand_in: object) -> None:
        self.patch.setattr(owner, name, stand_in)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_slow_building_of_binaries_is_no_stall(lab: Lab) -> None:
    assert lab.demo(STARTING, SUCCEEDED).run() == 0


def test_a_job_that_stands_still_ends_the_demo(lab: Lab) -> None:
    with pytest.raises(DemoError) as error:
        lab.demo(STARTING).run()
    cause = "the job's status has not changed for 300 s (phase Starting, 1 of 4 workers running)"
    assert str(error.value) == f"{cause}; the logs are in {lab.directory / 'demo-logs'}"
    assert lab.time.seconds < 1000 + BUILD_SECONDS + 1.1 * STALL_SECONDS


def test_broken_promise_ends_the_demo_with_logs(lab: Lab) -> None:
    twice = job(9, {**SUCCEEDED["status"], "restarts": 2})
    with pytest.raises(DemoError, match="the job has broken 1 of 7 promises; the logs are in "):
        lab.demo(twice).run()


def test_error_of_the_demo_shows_no_log_lines(lab: Lab) -> None:
    failure = OperatorError("the operator is not ready after 60 s: not leading\nmore")
    failure.add_note(LOG_LINE)
    with pytest.raises(DemoError) as error:
        lab.demo(fails_with=failure).run()
    kept = lab.directory / "demo-logs"
    assert str(error.value) == (
        f"the operator is not ready after 60 s: not leading; the logs are in {kept}"
    )
    assert LOG_LINE in (kept / "operator.log").read_text()
    assert LOG_LINE in (kept / "error.txt").read_text()
