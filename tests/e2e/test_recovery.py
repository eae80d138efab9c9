"""A training with a fault ends with the same model as a training without it."""

import time
from pathlib import Path

import pytest

from tests.e2e import recovery
from tests.e2e.faults import FAULTS, Fault, kill_the_process
from tests.e2e.site import SECONDS, Site, Undisturbed, ends, eventually, trains_past
from tests.e2e.training import PLAIN, PYTORCH, TRAININGS, Training
from tests.kit.recorder.history import Job, Json, Pod
from tests.kit.story import JobStory

VICTIM = 2


def ending(job: Job, attempt: int = 1) -> Json:
    return next(each for each in job.attempts if each["number"] == attempt)


def strikes(fault: Fault, training: Training, *, every: bool) -> bool:
    """A PyTorch job takes minutes. So a fault in which the framework has no part strikes the plain
    training alone, unless `--every-training` is given."""
    return every or training is PLAIN or fault.concerns_framework


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"fault", "training"} <= set(metafunc.fixturenames):
        every = metafunc.config.getoption("--every-training", default=False)
        pairs = [(f, t) for f in FAULTS for t in TRAININGS if strikes(f, t, every=every)]
        metafunc.parametrize(("fault", "training"), pairs, ids=lambda named: str(named))


def test_job_recovers_from_rank_failure(
    site: Site, fault: Fault, training: Training, undisturbed: Undisturbed
) -> None:
    expected = undisturbed.result(site, training)
    job = site.train(training, **fault.spec)
    saved = trains_past(job, training.interval).newest_complete
    pods = job.pods()
    victim = job.rank(fault.rank)

    struck = time.time()
    mend = fault.strike(site, job, fault.rank)
    try:
        again = job.wait_phase("Running", attempt=2, seconds=2 * SECONDS)
        names_cause(again, fault, victim)
        if fault.last_words:
            assert fault.last_words in ending(again)["message"]
            assert fault.last_words in site.logs(victim.name)
        resumes_from(again, saved)
        if fault.takes_node:
            avoids(job, victim.node)
    finally:
        mend()
    done = ends(job)

    assert (done.attempt, done.restarts) == (2, 1)
    assert training.result(site.checkpoints(job)) == expected
    if fault.takes_node:
        leaves_no_straggler(site, job, pods)
    recovery.record(recovery.measured(job, struck, fault=fault.title, training=training.name))


def names_cause(job: Job, fault: Fault, victim: Pod) -> None:
    end = ending(job)
    assert end["cause"] == fault.cause
    assert fault.says in end["message"]
    if fault.exit_code is not None:
        assert (end["rank"], end["exitCode"]) == (fault.rank, fault.exit_code)
    if fault.exit_code is not None or fault.takes_node:
        assert end["node"] == victim.node


def resumes_from(job: Job, saved: Json | None) -> None:
    """Check that the attempt resumes from the checkpoint before the fault or a newer one."""
    assert saved is not None
    assert job.restored_from is not None
    assert job.restored_from["epoch"] >= saved["epoch"]


def avoids(job: JobStory, node: str) -> None:
    assert node not in {pod.node for pod in job.pods(attempt=2)}


def leaves_no_straggler(site: Site, job: JobStory, pods: list[Pod]) -> None:
    """Check that the old attempt's processes have ended and that they added or deleted no checkpoint."""
    late = [each for version in job.history if version.attempt > 1 for each in version.checkpoints]
    restored = job.now.restored_from
    assert restored is not None
    assert not [each for each in late if each["attempt"] == 1 and each["epoch"] > restored["epoch"]]
    assert all(site.place(each["uri"]).exists() for each in job.now.checkpoints)
    eventually(lambda: not site.processes_of(pods), "the end of the old attempt's processes")


@pytest.mark.parametrize("damage", ["flipped byte", "torn"])
def test_damaged_checkpoint_is_never_resume_point(
    site: Site, damage: str, undisturbed: Undisturbed
) -> None:
    expected = undisturbed.result(site, PYTORCH)
    job = site.train(PYTORCH)
    trains_past(job, 2 * PYTORCH.interval)
    struck = time.time()
    kill_the_process(site, job, VICTIM)
    chosen = job.wait(lambda job: job.attempt == 2 and job.restored_from, "the resume point")
    assert chosen.restored_from is not None
    spoil(site.place(chosen.restored_from["uri"]), damage)

    again = job.wait_phase("Running", attempt=3, seconds=2 * SECONDS)

    assert ending(again, 2)["cause"] == "CheckpointDamaged"
    assert again.restored_from is not None
    assert again.restored_from["epoch"] < chosen.restored_from["epoch"]
    ends(job)
    assert PYTORCH.result(site.checkpoints(job)) == expected
    fault = f"checkpoint damaged ({damage})"
    row = recovery.measured(job, struck, fault=fault, training=PYTORCH.name, attempts=2)
    recovery.record(row)


def spoil(checkpoint: Path, damage: str) -> None:
    shard = next(file for file in sorted(checkpoint.glob("shard-*")) if not file.suffix)
    content = bytearray(shard.read_bytes())
    if damage == "torn":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 1
    shard.write_bytes(content)


def test_worker_ignoring_sigterm_ends_after_grace_period(site: Site) -> None:
    grace = 5
    template = PLAIN.template(PLAIN_DEAF="1") | {"terminationGracePeriodSeconds": grace}
    job = site.train(PLAIN, template=template)
    trains_past(job, PLAIN.interval)

    asked = time.monotonic()
    job.suspend()
    job.wait_condition("Suspended", "True", "Suspended", seconds=2 * SECONDS)

    assert grace <= time.monotonic() - asked < grace + 5
