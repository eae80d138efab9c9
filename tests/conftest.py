"""How many tests run side by side, and which: `make test` says `-n auto`.

The Kubernetes binaries are there before the first test starts: on a fresh machine they are built for
minutes, which would count against the time limit of the first test that needs one.
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

PURE = ("tests/unit", "tests/component")
"""These use the processor all the time; the others mostly wait."""
MOST = 8
"""A worker's control planes need a gigabyte of memory and more."""

HERE = Path(__file__).parent
NO_CLUSTER = (HERE / "unit", HERE / "component", HERE / "trainer")
NEEDS_KIND = HERE / "e2e"
CHART = "stargate_lab.cluster.chart"


def needed(paths: Sequence[Path], modules: Sequence[str]) -> list[str]:
    """The binaries for the tests in these files, which have imported these modules."""
    names = ["helm"] if CHART in modules else []
    if any(not any(map(path.is_relative_to, NO_CLUSTER)) for path in paths):
        names += CONTROL_PLANE
    if any(path.is_relative_to(NEEDS_KIND) for path in paths):
        names += ["kind"]
    return sorted(set(names))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """In each worker; the controller of the workers has no tests of its own."""
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
    """An interrupted worker may have had no time to stop what it started."""
    if is_xdist_controller(session):
        for plane in planes():
            if plane.has_lost_its_owner:
                stop_all(plane)
                plane.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """None but this process for a single file: a worker would cost more than it saves."""
    if all(Path(each.partition("::")[0]).suffix == ".py" for each in config.args):
        return 0
    processors = len(os.sched_getaffinity(0))
    pure = all(each.startswith(PURE) for each in config.args)
    return processors if pure else min(MOST, 2 * processors)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneFolderAWorker:
    return OneFolderAWorker(config, log)
