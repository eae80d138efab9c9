"""What `make kind` applies, as it stands."""

from collections.abc import Iterator

import pytest

from stargate_lab import trial
from stargate_lab.installation import apply, kubectl
from stargate_lab.kind import KindCluster
from tests.e2e.site import Site, ends, folder
from tests.kit.story import JobStory

NAMESPACE = "default"


@pytest.fixture
def namespace(cluster: KindCluster) -> Iterator[str]:
    trial.provide(folder(cluster, NAMESPACE))
    yield NAMESPACE
    for manifest in (trial.JOB, trial.STORAGE):
        kubectl(cluster, "delete", "--ignore-not-found", "--filename", str(manifest))


def test_it_trains_to_the_end(site: Site) -> None:
    apply(site.cluster, trial.STORAGE, trial.JOB)
    created = site.api.get(f"{site.jobs}/{trial.JOB_NAME}")
    job = JobStory(site, trial.JOB_NAME, created["metadata"]["uid"])

    done = ends(job)

    assert done.restarts == 0
    assert done.status["progress"]["percent"] == 100
