"""A gang of real containers trains to the end, within the limits that its spec sets."""

import pytest

from tests.e2e.site import Site, Undisturbed, ends
from tests.e2e.training import TRAININGS, Training
from tests.kit.story import JobStory

RANKS = 4
GIGABYTE = 1_000_000_000


def cgroup(site: Site, pod: str, *files: str) -> int:
    """The value of the first existing file: the path differs between cgroup versions 2 and 1."""
    found = site.exec(pod, "sh", "-c", f"cat {' '.join(files)} 2>/dev/null | head -n 1")
    return int(found.split()[0])


@pytest.mark.parametrize("training", TRAININGS, ids=str)
def test_gang_across_two_nodes_trains_to_end(
    site: Site, training: Training, undisturbed: Undisturbed
) -> None:
    job = site.train(training)
    running = job.wait_phase("Running", seconds=90)
    pods = job.pods()
    assert len({pod.node for pod in pods}) == 2
    assert running.workers["running"] == RANKS

    done = ends(job)

    assert done.restarts == 0
    assert done.status["progress"]["percent"] == 100
    assert done.newest_complete is not None
    assert done.newest_complete["epoch"] == training.epochs
    assert len(done.checkpoints) >= 3
    undisturbed.note(training, training.result(site.checkpoints(job)))
    losses = loss_of(job)
    assert losses[-1] < losses[0]


def loss_of(job: JobStory) -> list[float]:
    """The losses in the order of the status writes."""
    written = [(each.status.get("progress") or {}).get("metrics") or [] for each in job.history]
    return [m["value"] for metrics in written for m in metrics if m["name"] == "loss"]


def test_worker_cgroup_has_memory_and_cpu_limits(site: Site) -> None:
    job = site.train(TRAININGS[0], ranks=1)
    job.wait_phase("Running", seconds=90)
    pod = job.rank(0)

    limits = pod.raw["spec"]["containers"][0]["resources"]["limits"]
    assert (limits["memory"], limits["cpu"]) == ("1G", "450m")
    memory = cgroup(
        site, pod.name, "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    quota = cgroup(site, pod.name, "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    assert memory == pytest.approx(GIGABYTE, abs=4096)
    assert quota == 45_000  # of each period of 100 ms


def test_worker_is_not_root_and_has_no_credentials(site: Site) -> None:
    """The namespace enforces the restricted Pod Security level, so a pod below it would not start."""
    job = site.train(TRAININGS[0], ranks=1)
    job.wait_phase("Running", seconds=90)
    pod = job.rank(0)

    assert site.exec(pod.name, "id", "-u") != "0\n"
    service_account = "/var/run/secrets/kubernetes.io"
    listed = site.exec(pod.name, "sh", "-c", f"ls {service_account} 2>/dev/null || echo none")
    assert listed == "none\n"


def test_job_deletion_leaves_nothing(site: Site) -> None:
    job = site.train(TRAININGS[0])
    job.wait_phase("Running", seconds=90)

    job.delete()

    job.wait_gone()
    assert site.kubectl("get", "pods,services", "--output", "name") == ""
