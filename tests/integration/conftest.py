"""One real control plane and one operator for all integration tests; a fresh namespace for each.

Wherever the operator runs, the recorder does too: each test also proves the invariants of what
happened in its namespace.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from stargate_lab.cluster import api_keys, fleet, installation
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.host.paths import REPO
from stargate_lab.process import operator_process as operators
from stargate_lab.process.operator_process import OperatorProcess
from tests.integration.blocks import Blocks
from tests.integration.people import People
from tests.integration.racks import Racks
from tests.integration.story import Story, free
from tests.recorder import Recorder, audit, recording
from tests.recorder.checks import SECRET

HERE = Path(__file__).parent
NODES = 120
IMPATIENT = {
    "STARGATE_NODE_LOST_SECONDS": "3",
    "STARGATE_AVOID_LOST_NODES_SECONDS": "8",
    "STARGATE_COMPUTE_SECONDS": "2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the bare API server come first: an operator would answer to the jobs they write."""
    ours = [item for item in items if HERE in item.path.parents]
    ours.sort(key=lambda item: "operator" in getattr(item, "fixturenames", ()))
    items[:] = [ours.pop(0) if HERE in item.path.parents else item for item in items]


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audit.log_in(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def plane(audit_log: Path) -> Iterator[ControlPlane]:
    arguments = audit.flags(audit_log.parent)
    options = PlaneOptions(api_keys=(api_keys.EXAMPLE,), apiserver_args=arguments)
    with running(ControlPlane(f"test-{os.getpid()}", options=options)) as plane:
        installation.install(plane)
        yield plane


@pytest.fixture(scope="session")
def operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    """It leads, on a plane with the catalogue and the fleet."""
    fleet.create(Fleet(nodes=NODES), plane.api.credentials)
    installation.apply(plane, REPO / "examples" / "catalog.yaml")
    with operators.running(OperatorProcess(plane, IMPATIENT)) as operator:
        yield operator
        log = operator.log_path.read_text()
        assert not SECRET.search(log), "the operator's log holds a token or a key"


@pytest.fixture
def racks(plane: ControlPlane) -> Iterator[Racks]:
    racks = Racks(plane.api)
    yield racks
    racks.clear()


@pytest.fixture
def blocks(plane: ControlPlane) -> Iterator[Blocks]:
    blocks = Blocks(plane.api)
    yield blocks
    blocks.clear()


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    free(plane.api, name)


@pytest.fixture
def people(plane: ControlPlane, namespace: str) -> People:
    return People(plane, namespace)


@pytest.fixture
def recorder(plane: ControlPlane, namespace: str, audit_log: Path) -> Iterator[Recorder]:
    with recording(plane.api.credentials, namespace, audit_log) as recorder:
        yield recorder


@pytest.fixture
def story(
    plane: ControlPlane, operator: OperatorProcess, namespace: str, recorder: Recorder
) -> Story:
    return Story(plane.api, namespace, recorder, operator)
