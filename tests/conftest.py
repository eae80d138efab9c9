"""How many tests run side by side, and which: `make test` says `-n auto`."""

import os
from pathlib import Path

import pytest
from xdist import is_xdist_controller
from xdist.remote import Producer

from stargate_lab.cluster.control_plane import planes
from stargate_lab.process.operator_process import stop_all
from tests.kit.side_by_side import OneFolderAWorker
from tests.rights.last import NAME, RightsComeLast

PURE = ("tests/unit", "tests/component")
"""These use the processor all the time; the others mostly wait."""
MOST = 8
"""A worker's control planes need a gigabyte of memory and more."""


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
