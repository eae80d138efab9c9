"""The number of test workers and the tests of each: `make test` uses `-n auto`.

The Kubernetes binaries are built before the first test starts. On a fresh machine this takes minutes,
which would count against the time limit of the first test that needs a binary.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist import is_xdist_controller
from xdist.remote import Producer

from stargate_lab.cluster.control_plane import planes
from stargate_lab.process.operator_process import stop_all
from stargate_lab.toolchain import binaries
from stargate_lab.toolchain.pinned_tools import CONTROL_PLANE
from tests.kit.side_by_side import OneFolderAWorker
from tests.rights.last import NAME, RightsComeLast

PURE = ("tests/unit", "tests/component", "tests/simulation")
"""Folders whose tests are bound by the processor. All other tests mostly wait."""
MOST = 8
"""The control planes of one worker need more than a gigabyte of memory."""

HERE = Path(__file__).parent
NO_CLUSTER = (HERE / "unit", HERE / "component", HERE / "simulation", HERE / "trainer")
NEEDS_KIND = HERE / "e2e"
CHART = "stargate_lab.cluster.chart"


def needed(paths: Sequence[Path], modules: Sequence[str]) -> list[str]:
    """The binaries that the tests in `paths` need; `modules` are the imported modules."""
    names = ["helm"] if CHART in modules else []
    if any(not any(map(path.is_relative_to, NO_CLUSTER)) for path in paths):
        names += CONTROL_PLANE
    if any(path.is_relative_to(NEEDS_KIND) for path in paths):
        names += ["kind"]
    return sorted(set(names))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Builds the binaries in each worker. The controller of the workers runs no tests itself."""
    items = getattr(session, "items", [])
    if session.config.option.collectonly or not items:
        return
    names = needed([item.path for item in items], list(sys.modules))
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        binaries.ensure(names)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RightsComeLast(), NAME)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stops control planes that an interrupted worker had no time to stop."""
    if is_xdist_controller(session):
        for plane in planes():
            if plane.has_lost_its_owner:
                stop_all(plane)
                plane.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """No workers for single files: starting a worker would take longer than it saves."""
    if all(Path(argument.partition("::")[0]).suffix == ".py" for argument in config.args):
        return 0
    processors = len(os.sched_getaffinity(0))
    pure = all(argument.startswith(PURE) for argument in config.args)
    return processors if pure else min(MOST, 2 * processors)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneFolderAWorker:
    return OneFolderAWorker(config, log)
