from pathlib import Path

import pytest

from tests.rights.last import NAME, RightsComeLast


@pytest.fixture(scope="session")
def audit_logs(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The audit log of every control plane of this run; skips unless all operator tests ran."""
    others = pytestconfig.pluginmanager.getplugin(NAME)
    assert isinstance(others, RightsComeLast)
    if left_out := others.left_out(pytestconfig.args):
        pytest.skip(f"needs all tests that run an operator, but not run: {left_out}")
    return sorted(tmp_path_factory.getbasetemp().rglob("audit[0-9]*/audit.log"))
