"""Fixtures: a control plane, a namespace for each test, and the recorder of that namespace.

A conftest imports the fixtures that it needs. The control plane runs until the last test of that
conftest's folder ends.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from stargate_lab.cluster import api_keys, chart, installation
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.process.operator_process import OperatorProcess
from tests.kit.blocks import Blocks
from tests.kit.people import People, Person
from tests.kit.plane_recorder import recording_on
from tests.kit.racks import Racks
from tests.kit.recorder import Recorder, audit
from tests.kit.shell import Shell
from tests.kit.story import Story, free


@pytest.fixture(scope="package")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audit.log_in(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="package")
def plane(audit_log: Path) -> Iterator[ControlPlane]:
    """A control plane with the chart's CRDs and roles."""
    arguments = audit.flags(audit_log.parent)
    options = PlaneOptions(api_keys=(api_keys.EXAMPLE,), apiserver_args=arguments)
    name = f"test-{os.getpid()}-{uuid4().hex[:4]}"
    with running(ControlPlane(name, options=options)) as plane:
        installation.install(plane)
        yield plane


@pytest.fixture(scope="module")
def policies(plane: ControlPlane) -> Iterator[None]:
    """The chart's admission policies and flow schema."""
    manifests = chart.template("admission.yaml", "flowschema.yaml")
    installation.apply_text(plane, manifests)
    yield
    installation.kubectl(plane, "delete", "-f", "-", stdin=manifests)


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    free(plane.api, name)


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
def people(plane: ControlPlane, namespace: str) -> People:
    return People(plane, namespace)


@pytest.fixture
def researcher(people: People) -> Person:
    return people.researcher()


@pytest.fixture
def shell(researcher: Person, tmp_path: Path) -> Shell:
    return Shell(researcher, tmp_path)


@pytest.fixture
def recorder(plane: ControlPlane, namespace: str, audit_log: Path) -> Iterator[Recorder]:
    with recording_on(plane, namespace, audit_log) as recorder:
        yield recorder


@pytest.fixture
def story(
    plane: ControlPlane, operator: OperatorProcess, namespace: str, recorder: Recorder
) -> Story:
    return Story(plane.api, namespace, recorder, operator)
