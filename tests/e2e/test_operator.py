"""Training survives operator restarts, takeovers, upgrades and suspension without any loss."""

import time

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Json
from stargate_operator.settings import Settings
from tests.e2e.site import Site, Undisturbed, ends, eventually, trains_past
from tests.e2e.training import PLAIN
from tests.kit.recorder.history import Job
from tests.kit.story import JobStory

KILLS = 5
LEASE = Settings().lease_duration_seconds
TAKEN_OVER = LEASE + 5.0
"""A standby checks the lease every two seconds and needs a second to begin."""


def acknowledged(log: str) -> list[int]:
    """The epochs whose checkpoints the operator acknowledged to rank 0."""
    lines = [line for line in log.splitlines() if line.endswith("is acknowledged")]
    return [int(line.split()[3]) for line in lines]


def name(pod: Json) -> str:
    return str(pod["metadata"]["name"])


def names(pods: list[Json]) -> set[str]:
    return {name(pod) for pod in pods}


def trains_on(site: Site, epochs: int) -> JobStory:
    """A running gang of two with a checkpoint in the status."""
    job = site.train(PLAIN, ranks=2, epochs=epochs)
    trains_past(job, PLAIN.interval, seconds=90)
    return job


def ends_undisturbed(site: Site, job: JobStory, workers: list[Json]) -> Job:
    """Check that the job ends in its first containers and that every checkpoint is acknowledged."""
    done = ends(job)
    assert (done.attempt, done.restarts) == (1, 0)
    assert containers(job) == workers
    epochs = done.status["progress"]["epochs"]
    saved = list(range(PLAIN.interval, epochs + 1, PLAIN.interval))
    assert acknowledged(site.logs(job.rank(0).name)) == saved
    return done


def writers(site: Site, since: float) -> set[str]:
    """The agents whose writes succeeded since then."""
    writes = [each for each in site.recorder.requests() if each.writes and each.code < 300]
    return {write.agent for write in writes if write.began > since}


def containers(job: JobStory) -> list[Json]:
    """The IDs and restart counts of the job's containers."""
    return [
        {key: container[key] for key in ("containerID", "restartCount")}
        for pod in job.pods()
        for container in pod.raw["status"]["containerStatuses"]
    ]


def test_training_continues_while_operator_is_killed_repeatedly(site: Site) -> None:
    job = site.train(PLAIN, epochs=40)
    job.wait_phase("Running", seconds=90)
    workers = containers(job)

    for kill in range(KILLS):
        epoch = (job.now.status.get("progress") or {}).get("epoch", 0)
        trains_past(job, max(epoch, PLAIN.interval))
        stood = acknowledged(site.logs(job.rank(0).name))
        with site.recorder.interrupted():
            before = site.operator.restarts
            site.operator.signal(site.operator.wait_leader(), "KILL")
            killed = time.time()
            site.operator.wait_ready(before + 1)
            site.operator.wait_leader(killed)
        newest = job.now.newest_complete
        assert newest is not None
        assert int(newest["epoch"]) >= max(stood, default=0), f"kill {kill + 1}"

    ends_undisturbed(site, job, workers)


def test_standby_takes_over_after_leader_pod_loss(site: Site) -> None:
    job = trains_on(site, epochs=26)
    workers = containers(job)
    leader = site.operator.wait_leader()

    with site.recorder.interrupted():
        lost = time.time()
        site.operator.lose(leader)
        site.operator.wait_leader(lost, other_than=name(leader), seconds=TAKEN_OVER)

    ends_undisturbed(site, job, workers)
    site.operator.wait_ready()


def test_standby_takes_over_from_leader_paused_beyond_lease(site: Site) -> None:
    """When the old leader resumes, it sees that it lost the lease, writes nothing and restarts."""
    job = trains_on(site, epochs=26)
    workers = containers(job)
    leader, restarts = site.operator.wait_leader(), site.operator.restarts

    with site.recorder.interrupted():
        paused = time.time()
        site.operator.signal(leader, "STOP")
        successor = site.operator.wait_leader(paused, other_than=name(leader), seconds=TAKEN_OVER)
    followed = time.time()
    site.operator.signal(leader, "CONT")

    site.operator.wait_ready(restarts + 1)
    ends_undisturbed(site, job, workers)
    assert name(site.operator.wait_leader()) == name(successor)
    assert writers(site, since=followed) == {name(successor)}


def test_release_upgrade_touches_no_worker(site: Site) -> None:
    job = trains_on(site, epochs=26)
    workers = containers(job)
    replicas = names(site.operator.pods())

    with site.recorder.interrupted():
        site.operator.install("settings: {computeSeconds: 5}")

    eventually(lambda: not replicas & names(site.operator.pods()), "the end of the old replicas")
    ends_undisturbed(site, job, workers)


def test_release_passes_helm_test(site: Site) -> None:
    assert "Succeeded" in chart.test(site.cluster.kubeconfig)


def test_suspended_job_saves_and_resumes_from_that_checkpoint(
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
    assert saved["epoch"] >= max(reached, 7), "the gang saves before it is suspended"
    assert not [pod for pod in job.pods() if pod.live]

    job.resume()
    again = job.wait_phase("Running", attempt=2, seconds=90)
    assert again.restored_from == {"epoch": saved["epoch"], "uri": saved["uri"]}
    done = ends(job)
    assert done.restarts == 0
    assert PLAIN.result(site.checkpoints(job)) == expected
