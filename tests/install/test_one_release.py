"""A cluster takes one release. The refusal of a second one names the first and prints commands
that work.
"""

import pytest

from stargate_lab.cluster import installation
from stargate_lab.cluster.chart import HelmError
from stargate_lab.host.paths import REPO
from tests.install.release import NAME, NAMESPACE, Release
from tests.install.site import Site, course, saves

ANOTHER_NAME = ("another", NAMESPACE)
ANOTHER_NAMESPACE = (NAME, "elsewhere")
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/stargatejobs.stargate.dev"


def refused(release: Release, *flags: str) -> str:
    """The error of helm."""
    with pytest.raises(HelmError) as error:
        release.install(*flags)
    return str(error.value)


def advice(error: str) -> str:
    """The commands in the error."""
    return "\n".join(line for line in error.splitlines() if line.startswith("  "))


def test_second_release_is_refused_and_names_first(site: Site, release: Release) -> None:
    release.install()

    for name, namespace in (ANOTHER_NAME, ANOTHER_NAMESPACE):
        for flags in ((), ("--take-ownership",)):
            error = refused(Release(site.plane, name, namespace), *flags)
            assert f'release "{NAME}" of namespace "{NAMESPACE}" runs Stargate' in error
            assert f"helm uninstall {NAME} --namespace {NAMESPACE}" in error

    release.upgrade()


def test_printed_commands_hand_leftovers_to_another_release(site: Site, release: Release) -> None:
    release.install()
    with site.scene() as scene:
        with site.operator(release) as operator:
            job = scene.apply(nodes=2)
            job.wait_phase("Running")
            before = course(job)

        renamed = Release(site.plane, *ANOTHER_NAME)
        with scene.recorder.interrupted():
            replace(site, release, renamed)
        with site.operator(renamed) as operator:
            saves(job, operator, epoch=5)
            assert course(job) == before

        moved = Release(site.plane, *ANOTHER_NAMESPACE)
        with scene.recorder.interrupted():
            replace(site, renamed, moved)
        with site.operator(moved) as operator:
            job.oom_kill(0)
            job.wait_phase("Running", attempt=2)
            saves(job, operator, epoch=10)


def replace(site: Site, before: Release, after: Release) -> None:
    before.uninstall()
    error = refused(after)
    assert f'left by release "{before.name}" of namespace "{before.namespace}"' in error
    site.shell(advice(error))
    after.install()


def test_hand_applied_crds_are_kept_or_adopted(site: Site, release: Release) -> None:
    installation.apply(site.plane, REPO / "crds")

    release.install("--set", "crds.enabled=false")
    release.uninstall()
    assert not owner(site)

    error = refused(release)
    assert "of no Helm release" in error
    site.shell(advice(error))
    assert "--force-conflicts" in error
    release.install("--force-conflicts")
    release.upgrade()
    assert owner(site) == NAME


def owner(site: Site) -> str:
    """The release that upgrades the CRDs."""
    annotations = site.plane.api.get(CRD)["metadata"].get("annotations", {})
    return str(annotations.get("meta.helm.sh/release-name", ""))
