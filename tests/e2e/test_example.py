"""The example for kind, applied as it stands."""

from collections.abc import Iterator

import pytest
import yaml

from stargate_lab.installation import apply, kubectl
from stargate_lab.kind import KindCluster
from stargate_lab.paths import REPO
from tests.e2e.site import Site, ends, folder, make_folder
from tests.e2e.training import PYTORCH
from tests.integration.story import JobStory

EXAMPLE = REPO / "examples" / "kind" / "language-model.yaml"
NAMESPACE = "default"


@pytest.fixture
def namespace(cluster: KindCluster) -> Iterator[str]:
    storage = folder(cluster, NAMESPACE)
    make_folder(storage)
    PYTORCH.provide(storage)
    yield NAMESPACE
    kubectl(cluster, "delete", "--ignore-not-found", "--filename", str(EXAMPLE))


def test_it_trains_to_the_end(site: Site) -> None:
    apply(site.cluster, EXAMPLE)
    created = site.api.get(f"{site.jobs}/{job_name()}")
    job = JobStory(site, job_name(), created["metadata"]["uid"])

    done = ends(job)

    assert done.restarts == 0
    assert done.status["progress"]["percent"] == 100


def job_name() -> str:
    documents = yaml.safe_load_all(EXAMPLE.read_text())
    return str(next(d["metadata"]["name"] for d in documents if d["kind"] == "StargateJob"))
