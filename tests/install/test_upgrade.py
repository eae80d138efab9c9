"""Upgrades and rollbacks leave running jobs alone and keep the values that the user set."""

from pathlib import Path

from tests.install.release import Release
from tests.install.site import Site, course, saves

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/stargatejobs.stargate.dev"


def test_running_job_survives_upgrade_and_rollback(
    site: Site, release: Release, earlier: Path
) -> None:
    release.install(source=earlier)
    certificate = release.certificate
    with site.operator(release) as old, site.scene() as scene:
        job = scene.apply(nodes=3)
        job.wait_phase("Running")
        saves(job, old, epoch=5)
        before = course(job)
        assert short_names(site) == []

        release.upgrade()
        assert short_names(site) == ["sj"]
        with site.operator(release) as new:
            old.stop()
            saves(job, new, epoch=10)
            assert course(job) == before

            release.rollback()
            assert short_names(site) == []
            with site.operator(release) as again:
                new.stop()
                saves(job, again, epoch=15)
                assert course(job) == before
                assert release.certificate == certificate

                job.oom_kill(1)
                restarted = job.wait_phase("Running", attempt=2)

    assert restarted.attempts[1]["restoredEpoch"] == 15


def short_names(site: Site) -> list[str]:
    """The short names of the job CRD; the earlier version has none."""
    return list(site.plane.api.get(CRD)["spec"]["names"].get("shortNames", []))


def test_upgrade_reuses_values_and_rollback_restores_them(release: Release) -> None:
    release.install(values="replicaCount: 1\nsettings: {nodeLostSeconds: 45}")
    assert set_values(release) == (1, "45")

    release.upgrade("--reuse-values", values="settings: {nodeLostSeconds: 60}")
    assert set_values(release) == (1, "60")

    release.rollback()
    assert set_values(release) == (1, "45")


def set_values(release: Release) -> tuple[int, str]:
    spec = release.deployment["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    return spec["replicas"], environment["STARGATE_NODE_LOST_SECONDS"]


def test_unchanged_upgrade_keeps_pods_and_certificate(release: Release) -> None:
    release.install()
    before = uids(release), release.certificate

    release.upgrade("--reset-then-reuse-values")  # as docs/upgrade.md says

    assert (uids(release), release.certificate) == before


def uids(release: Release) -> set[str]:
    return {pod["metadata"]["uid"] for pod in release.pods()}
