"""One cluster with the operator for all end-to-end tests, and a restricted namespace for each test.

The recorder is on in every test: the invariants hold under every fault.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stargate_lab.cluster import kind
from stargate_lab.cluster.kind import KindCluster
from stargate_lab.host import docker
from stargate_lab.host.paths import RUN_DIR
from stargate_lab.toolchain import images
from tests.e2e import recovery
from tests.e2e.deployment import DeployedOperator, tracebacks
from tests.e2e.nodes import DEVICES
from tests.e2e.site import Site, Undisturbed, a_namespace
from tests.kit.recorder import Recorder, audit, recording
from tests.kit.recorder.checks import SECRET

HERE = Path(__file__).parent
SLOWER = 4.0
"""Factor by which a status may be later than in other tests: the kubelets share the two cores."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-training",
        action="store_true",
        help="strike every training with every fault, also where another pair shows the same",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run test_training.py first: the other tests compare their results with its results."""
    items.sort(key=lambda item: item.path.name != "test_training.py")


@pytest.fixture(scope="session")
def cluster() -> Iterator[KindCluster]:
    """A cluster whose nodes advertise accelerators and hold the images."""
    docker.require()
    cluster = KindCluster(HERE / "kind.yaml", "stargate-e2e", RUN_DIR / "e2e")
    for path in (cluster.directory / "storage", cluster.directory / "audit"):
        shutil.rmtree(path, ignore_errors=True)  # left by an earlier run
        path.mkdir(parents=True)
    audit.flags(cluster.directory / "audit")
    with kind.running(cluster):
        cluster.load(images.OPERATOR.tag, [cluster.control_plane])
        cluster.load(images.TRAINER.tag, cluster.workers)
        for node in cluster.workers:
            cluster.advertise(node, DEVICES)
        recovery.ROWS.unlink(missing_ok=True)
        yield cluster


@pytest.fixture(scope="session")
def operator(cluster: KindCluster) -> Iterator[DeployedOperator]:
    operator = DeployedOperator(cluster)
    operator.install()
    yield operator
    log = operator.logs()
    assert not SECRET.search(log), "the operator's log holds a token or a key"
    assert not list(tracebacks(log)), f"the operator logged a traceback:\n{log[-6000:]}"


@pytest.fixture
def recorder(namespace: str, cluster: KindCluster) -> Iterator[Recorder]:
    log = audit.log_in(cluster.directory / "audit")
    with recording(cluster.api.credentials, namespace, log) as recorder:
        recorder.history.patience = SLOWER
        yield recorder


@pytest.fixture
def namespace(cluster: KindCluster) -> Iterator[str]:
    with a_namespace(cluster) as name:
        yield name


@pytest.fixture
def site(
    cluster: KindCluster, operator: DeployedOperator, namespace: str, recorder: Recorder
) -> Site:
    return Site(cluster.api, namespace, recorder, cluster, operator)


@pytest.fixture(scope="session")
def undisturbed() -> Undisturbed:
    return Undisturbed()
