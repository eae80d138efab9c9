"""Gets the Kubernetes binaries before the first test starts.

On a fresh machine they are built for minutes. Within a test, that time would count against the limit
of the test that happens to be the first to need them.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from stargate_lab.toolchain import binaries
from stargate_lab.toolchain.pinned_tools import CONTROL_PLANE

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
    if session.config.option.collectonly:
        return
    names = needed([item.path for item in session.items], list(sys.modules))
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        binaries.ensure(names)
