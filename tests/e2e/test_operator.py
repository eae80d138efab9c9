"""The operator and the user come and go: training does not notice, and loses nothing."""

from tests.e2e.site import Site, Undisturbed, ends, trains_past
from tests.e2e.training import PLAIN

KILLS = 5


def acknowledged(log: str) -> list[int]:
    """The epochs whose checkpoint rank 0 was told to stand."""
    lines = [line for line in log.splitlines() if line.endswith("is acknowledged")]
    return [int(line.split()[3]) for line in lines]


def test_training_does_not_notice_that_the_operator_is_killed_five_times(site: Site) -> None:
    job = site.train(PLAIN, epochs=40)
    job.wait_phase("Running", seconds=90)

    for kill in range(KILLS):
        epoch = (job.now.status.get("progress") or {}).get("epoch", 0)
        trains_past(job, max(epoch, PLAIN.interval))
        stood = acknowledged(site.logs(job.rank(0).name))
        with site.recorder.interrupted():
            before = site.operator.restarts
            site.operator.kill()
            site.operator.wait_ready(before + 1)
        newest = job.now.newest_complete
        assert newest is not None
        assert int(newest["epoch"]) >= max(stood, default=0), f"kill {kill + 1}"

    done = ends(job)
    assert (done.attempt, done.restarts) == (1, 0)
    assert acknowledged(site.logs(job.rank(0).name)) == list(range(2, 41, 2))


def test_suspension_saves_frees_all_pods_and_resumes_from_there(
    site: Site, undisturbed: Undisturbed
) -> None:
    expected = undisturbed.result(site, PLAIN)
    job = site.train(PLAIN, checkpointIntervalEpochs=6)
    trains_past(job, 6)
    reached = job.now.status["progress"]["epoch"]

    job.suspend()
    job.wait_condition("Suspended", "True", "Suspended", seconds=90)
    saved = job.now.newest_complete
    assert saved is not None
    assert saved["epoch"] >= max(reached, 7), "it saved before it went"
    assert not [pod for pod in job.pods() if pod.live]

    job.resume()
    again = job.wait_phase("Running", attempt=2, seconds=90)
    assert again.restored_from == {"epoch": saved["epoch"], "uri": saved["uri"]}
    done = ends(job)
    assert done.restarts == 0
    assert PLAIN.result(site.checkpoints(job)) == expected
