"""Jobs belong to the users: they survive while the operator is uninstalled and installed again."""

from tests.install.release import Release
from tests.install.site import Site, course, saves


def test_jobs_survive_uninstall_and_next_release_adopts_them(site: Site, release: Release) -> None:
    release.install()
    with site.scene() as scene:
        with site.operator(release) as operator:
            job = scene.apply(nodes=3)
            job.wait_phase("Running")
            saves(job, operator, epoch=5)
            before = course(job)

        with scene.recorder.interrupted():
            release.uninstall()
            scene.recorder.assert_quiet(2)
            release.install()

        with site.operator(release) as operator:
            saves(job, operator, epoch=10)
            assert course(job) == before
            job.finish()
            job.wait_phase("Succeeded")
