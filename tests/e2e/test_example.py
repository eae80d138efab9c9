"""The unchanged example that `make kind` applies."""

from collections.abc import Iterator

import pytest

from stargate_lab.cluster.installation import apply, kubectl
from stargate_lab.cluster.kind import KindCluster
from stargate_lab.commands import kind_example
from tests.e2e.site import Site, ends, folder
from tests.kit.story import JobStory

NAMESPACE = "default"


@pytest.fixture
def namespace(cluster: KindCluster) -> Iterator[str]:
    kind_example.provide(folder(cluster, NAMESPACE))
    yield NAMESPACE
    for manifest in (kind_example.JOB, kind_example.STORAGE):
        kubectl(cluster, "delete", "--ignore-not-found", "--filename", str(manifest))


def test_example_job_trains_to_end(site: Site) -> None:
    apply(site.cluster, kind_example.STORAGE, kind_example.JOB)
    created = site.api.get(f"{site.jobs}/{kind_example.JOB_NAME}")
    job = JobStory(site, kind_example.JOB_NAME, created["metadata"]["uid"])

    done = ends(job)

    assert done.restarts == 0
    assert done.status["progress"]["percent"] == 100
