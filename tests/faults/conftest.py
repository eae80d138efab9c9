"""One control plane for nearly all faults; each test adds its own nodes and namespace.

Tests kill, stop and isolate the operator. The fixtures guarantee only that an operator leads when a
test begins. The recorder is always on: the invariants hold under every fault.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process.operator_process import OperatorProcess
from tests.faults.lab import SLOWER, Lab, a_lab
from tests.faults.seats import few_seats
from tests.faults.tap import Tap
from tests.kit.fixtures import namespace, racks
from tests.kit.plane_recorder import recording_on
from tests.kit.recorder import Recorder
from tests.kit.recorder.checks import SECRET
from tests.kit.story import Story

__all__ = ["few_seats", "namespace", "racks"]

_TOLD_LINES = 40
_TOLD_COMPONENTS = ("kube-apiserver", "kube-scheduler")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the last log lines of the processes to a failure: they are gone when the report is read."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, Lab):
        report.sections += [
            ("the operator's log", lab.operator.log_tail(_TOLD_LINES)),
            *((f"{name}'s log", lab.plane.log_tail(name)) for name in _TOLD_COMPONENTS),
        ]
    return report


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with a_lab(tmp_path_factory.mktemp("audit")) as lab:
        yield lab


@pytest.fixture
def plane(lab: Lab) -> ControlPlane:
    return lab.plane


@pytest.fixture
def audit_log(lab: Lab) -> Path:
    return lab.audit_log


@pytest.fixture
def operator(lab: Lab, request: pytest.FixtureRequest) -> Iterator[OperatorProcess]:
    """The leading operator. Its log must stay free of secrets and tracebacks."""
    lab.run_operator(tapped="tap" in request.fixturenames)
    begin = lab.operator.log_path.stat().st_size
    yield lab.operator
    lab.tap.go_on()
    log = lab.operator.log_path.read_text(errors="replace")[begin:]
    assert not SECRET.search(log), "the operator's log holds a token or a key"
    assert "Traceback" not in log, "the operator logged a traceback:\n" + lab.operator.log_tail()


@pytest.fixture
def tap(lab: Lab) -> Tap:
    return lab.tap


@pytest.fixture
def recorder(plane: ControlPlane, namespace: str, audit_log: Path) -> Iterator[Recorder]:
    with recording_on(plane, namespace, audit_log) as recorder:
        recorder.history.patience = SLOWER
        yield recorder


@pytest.fixture
def story(
    plane: ControlPlane, operator: OperatorProcess, namespace: str, recorder: Recorder
) -> Story:
    return Story(plane.api, namespace, recorder, operator)
