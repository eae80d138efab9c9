"""Each test has its own cluster, because CRDs and cluster roles exist once in a cluster."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stargate_lab.cluster import fleet
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.kwok_config import PlaneOptions
from tests.install.release import Release, packaged_as
from tests.install.site import Site
from tests.kit.recorder import audit

NODES = 6


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = audit.log_in(tmp_path_factory.mktemp("audit"))
    options = PlaneOptions(apiserver_args=audit.flags(log.parent))
    with running(ControlPlane(f"install-{os.getpid()}", options=options)) as plane:
        fleet.create(Fleet(nodes=NODES), plane.api.credentials)
        yield Site(plane, log)


@pytest.fixture
def release(site: Site) -> Release:
    return Release(site.plane)


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged chart of an earlier version."""
    return packaged_as("0.0.9", tmp_path_factory.mktemp("earlier"))
