"""A first install: an empty cluster, `helm install`, and a job that succeeds."""

from stargate_lab.cluster import installation
from tests.install.release import NAME, NAMESPACE, Release
from tests.install.site import Site, saves
from tests.kit.story import eventually

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"


def test_job_succeeds_with_the_chart_s_defaults(site: Site, release: Release) -> None:
    installation.ensure_namespace(
        site.plane, NAMESPACE
    )  # this namespace enforces restricted Pod Security
    release.install()

    with site.operator(release) as operator, site.scene() as scene:
        job = scene.apply(nodes=2)
        job.wait_phase("Running")
        images = {pod.raw["spec"]["containers"][0]["image"] for pod in job.pods()}
        saves(job, operator, epoch=5)
        job.finish()
        (attempt,) = job.wait_phase("Succeeded").attempts

    version = release.deployment["metadata"]["labels"]["app.kubernetes.io/version"]
    assert images == {f"ghcr.io/stargate-dev/trainer:{version}"}
    assert attempt["runtime"].startswith("default/")
    assert attempt["class"].startswith("stargate-silicon-v2/")


def test_reports_reach_only_leader_of_two_replicas(site: Site, release: Release) -> None:
    release.install()
    pods = {pod["metadata"]["name"] for pod in release.pods()}
    assert len(pods) == 2

    with site.operator(release) as leader:
        eventually(lambda: pods_of(site, "reports") == {leader.name}, "the leader behind reports")
        assert pods_of(site, "metrics") == pods


def pods_of(site: Site, service: str) -> set[str]:
    """The pods that are endpoints of the Service."""
    selector = f"kubernetes.io/service-name={NAME}-{service}"
    slices = site.plane.api.get(f"{SLICES}?labelSelector={selector}")["items"]
    endpoints = [end for each in slices for end in each["endpoints"] or []]
    return {endpoint["targetRef"]["name"] for endpoint in endpoints}
