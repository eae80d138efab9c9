"""One control plane and one operator for all these tests; each test has its own namespace.

The recorder runs with the operator, so each test also checks the invariants in its namespace.
"""

from collections.abc import Iterator

import pytest

from stargate_lab.cluster import fleet, installation
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.host.paths import REPO
from stargate_lab.process import operator_process as operators
from stargate_lab.process.operator_process import OperatorProcess
from tests.kit.fixtures import (
    audit_log,
    blocks,
    namespace,
    people,
    plane,
    racks,
    recorder,
    researcher,
    shell,
    story,
)
from tests.kit.recorder.checks import SECRET

__all__ = [
    "audit_log",
    "blocks",
    "namespace",
    "people",
    "plane",
    "racks",
    "recorder",
    "researcher",
    "shell",
    "story",
]

NODES = 120
SHORT_TIMES = {
    "STARGATE_NODE_LOST_SECONDS": "3",
    "STARGATE_AVOID_LOST_NODES_SECONDS": "8",
    "STARGATE_COMPUTE_SECONDS": "2",
}


@pytest.fixture(scope="package")
def operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    """An operator that leads, on a control plane with the catalog and the fleet."""
    fleet.create(Fleet(nodes=NODES), plane.api.credentials)
    installation.apply(plane, REPO / "examples" / "catalog.yaml")
    with operators.running(OperatorProcess(plane, SHORT_TIMES)) as operator:
        yield operator
        log = operator.log_path.read_text()
        assert not SECRET.search(log), "the operator's log holds a token or a key"
