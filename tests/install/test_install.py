"""A platform engineer's first hour: an empty cluster, `helm install`, and a job that runs to its end."""

from stargate_lab.cluster import installation
from tests.install.release import NAME, NAMESPACE, Release
from tests.install.site import Site, saves
from tests.kit.story import eventually

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"


def test_job_succeeds_with_the_chart_s_defaults(site: Site, release: Release) -> None:
    installation.ensure_namespace(site.plane, NAMESPACE)  # it enforces restricted Pod Security
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
        eventually(lambda: behind(site, "reports") == {leader.name}, "the leader behind reports")
        assert behind(site, "metrics") == pods


def behind(site: Site, service: str) -> set[str]:
    """Pods that the Service leads to."""
    selector = f"kubernetes.io/service-name={NAME}-{service}"
    slices = site.plane.api.get(f"{SLICES}?labelSelector={selector}")["items"]
    ends = [end for each in slices for end in each["endpoints"] or []]
    return {end["targetRef"]["name"] for end in ends}
