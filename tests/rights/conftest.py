"""These tests look at what all others did, so they come last and know whether all others came."""

from pathlib import Path

import pytest

from stargate_lab.host.paths import REPO

HERE = Path(__file__).parent
RUN_OPERATORS = ("tests/integration", "tests/faults", "tests/install")
_LEFT_OUT = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: HERE in item.path.parents)


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items:
        stash = items[0].config.stash
        stash[_LEFT_OUT] = stash.get(_LEFT_OUT, 0) + len(items)


@pytest.fixture(scope="session")
def audit_logs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Of every control plane of this run; a part of the tests proves neither side."""
    if left_out := _left_out(request.session):
        pytest.skip(f"needs every test that runs an operator before it; without {left_out}")
    return sorted(tmp_path_factory.getbasetemp().glob("audit[0-9]*/audit.log"))


def _left_out(session: pytest.Session) -> str:
    """Which tests did not run, in words; empty if all did."""
    if count := session.config.stash.get(_LEFT_OUT, 0):
        return f"{count} deselected tests"
    if single := [each for each in session.config.args if "::" in each]:
        return f"the others beside {', '.join(single)}"
    ran = {item.path for item in session.items}
    every = {path for part in RUN_OPERATORS for path in (REPO / part).glob("test_*.py")}
    return f"{len(every - ran)} of {len(every)} files" if every - ran else ""
