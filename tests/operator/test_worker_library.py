"""Training processes that use stargate_worker, under the real operator, while faults happen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.containers import Container, Machines, machines
from tests.kit.recorder.checks import SECRET
from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story, eventually

EPOCHS = 20
QUICK = "0.1"
"""Seconds for each epoch. Reports are a second apart."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path) as found:
        yield found
        for log in tmp_path.glob("*/log"):
            assert not SECRET.search(log.read_text()), f"{log} holds a token or a key"


def apply(story: Story, cluster: Machines, grace: int = 10) -> JobStory:
    """Applies a job of two ranks that share a folder and may save during the grace period."""
    return story.apply(
        nodes=2,
        epochs=EPOCHS,
        checkpoint={"uri": f"file://{cluster.checkpoints}", "retain": 2},
        template={"terminationGracePeriodSeconds": grace},
    )


def saved(cluster: Machines, attempt: int = 1) -> set[str]:
    """Checkpoints of an attempt that are complete on the storage."""
    return {
        path.parent.name for path in cluster.checkpoints.glob(f"attempt-{attempt}/*/manifest.json")
    }


def is_in_status(job: Job, epoch: int, state: str = "Complete") -> bool:
    return any((each["epoch"], each["state"]) == (epoch, state) for each in job.checkpoints)


def wait_for(job: JobStory, epoch: int) -> Job:
    return job.wait(lambda now: is_in_status(now, epoch), f"checkpoint {epoch}")


def test_training_reports_saves_and_succeeds(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, QUICK)

    for epoch in (5, 10, 15):
        marker = cluster.checkpoints / f"attempt-1/epoch-{epoch}/acknowledged"
        eventually(marker.exists, f"the acknowledgement of {epoch}")
        assert is_in_status(job.now, epoch), (
            f"epoch {epoch} was acknowledged but is not in the status"
        )
    done = job.wait_phase("Succeeded")

    assert done.status["progress"]["epoch"] == EPOCHS
    assert done.status["progress"]["percent"] == 100.0
    assert done.status["progress"]["metrics"] == [{"name": "loss", "value": 1 / EPOCHS}]
    assert is_in_status(done, EPOCHS)
    assert [rank.process.returncode for rank in ranks] == [0, 0]


def test_worker_deletes_only_checkpoints_past_retention(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    cluster.run(job, "0.4")
    kept: list[set[str]] = []
    for epoch in (5, 10, 15, 20):
        wait_for(job, epoch)
        kept.append(saved(cluster))
    eventually(lambda: len(saved(cluster)) == 2, "two checkpoints, as many as are retained")

    assert saved(cluster) == {"epoch-15", "epoch-20"}
    assert kept[1] == {"epoch-5", "epoch-10"}, "a checkpoint was deleted while it was retained"
    assert {each["epoch"] for each in job.now.checkpoints} == {15, 20}


def test_killed_rank_restarts_gang_from_last_checkpoint(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.3")
    wait_for(job, 5)
    ranks[1].kill()
    again = cluster.run(job, QUICK, attempt=2)
    for rank in again:
        rank.says(f"from 5 with b'epoch 5 of rank {rank.pod.rank}'")
    done = job.wait_phase("Succeeded")

    first = done.attempts[0]
    assert (first["rank"], first["exitCode"]) == (1, 137)
    assert done.restored_from["epoch"] == 5  # type: ignore[index]


def test_damaged_checkpoint_falls_back_to_previous_one(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.3")
    wait_for(job, 10)
    ranks[1].kill()
    job.wait_phase("Running", attempt=2)
    shard = cluster.checkpoints / "attempt-1" / "epoch-10" / "shard-00001-of-00002"
    shard.write_bytes(shard.read_bytes().replace(b"epoch 10", b"epoch 11"))

    damaged = cluster.run(job, QUICK, attempt=2)
    again = cluster.run(job, QUICK, attempt=3)

    damaged[1].says("DamagedCheckpoint")
    for rank in again:
        rank.says(f"from 5 with b'epoch 5 of rank {rank.pod.rank}'")
    done = job.wait_phase("Succeeded")
    assert done.attempts[1]["cause"] == "CheckpointDamaged"
    assert done.restarts == 2


def test_half_written_checkpoint_is_never_resumed_from(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.2", "10=30")
    wait_for(job, 5)
    half_written = "attempt-1/epoch-10/.shard-00000*.partial"
    eventually(
        lambda: list(cluster.checkpoints.glob(half_written)), "a shard that is being written"
    )
    ranks[0].kill()
    again = cluster.run(job, QUICK, attempt=2)

    again[0].says("from 5 with")
    assert "epoch-10" not in saved(cluster)
    job.wait_phase("Succeeded")
    assert not any(is_in_status(now, 10) for now in job.history if now.attempt == 1)


def test_stale_rank_stops_and_deletes_nothing(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.3", "alone")
    wait_for(job, 5)
    stale_rank = ranks[0]
    stale_rank.cut_off = True
    ranks[1].kill()

    stale_rank.says("this attempt is over")
    stale_rank.says("leaving after")
    job.wait_phase("Running", attempt=2)
    assert stale_rank.process.wait(20) == 143
    assert "attempt 2 is current" in stale_rank.log
    assert "epoch-5" in saved(cluster)
    assert not any(is_in_status(now, 10) for now in job.history)


def test_checkpoint_waits_for_a_killed_operator(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.3", "10=2")
    wait_for(job, 5)
    job.wait(lambda now: now.status["checkpoints"]["latest"]["state"] == "Writing", "Writing")
    with story.recorder.interrupted():
        story.operator.kill()
        eventually(lambda: "epoch-10" in saved(cluster), "a whole checkpoint")
        assert not (cluster.checkpoints / "attempt-1/epoch-10/acknowledged").exists()
        assert [rank.process.poll() for rank in ranks] == [None, None]
        story.operator.start()

    wait_for(job, 10)
    done = job.wait_phase("Succeeded", seconds=40)
    assert (done.attempt, done.restarts) == (1, 0)
    assert is_in_status(done, EPOCHS)


def test_repeated_operator_kills_do_not_disturb_training(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.5")
    for _ in range(3):
        with story.recorder.interrupted():
            story.operator.kill()
            story.operator.start()
    done = job.wait_phase("Succeeded", seconds=60)

    assert (done.attempt, done.restarts) == (1, 0)
    assert is_in_status(done, EPOCHS)
    assert all("nothing more" not in rank.log for rank in ranks)


def test_suspended_training_saves_and_resumes_from_there(story: Story, cluster: Machines) -> None:
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.5")
    trained_to(job, 2)

    job.suspend()
    job.wait_condition("Suspended", "True", "Suspended")
    first, second = (left_after(rank) for rank in ranks)
    assert first == second
    assert [rank.process.returncode for rank in ranks] == [143, 143]
    job.resume()

    again = cluster.run(job, QUICK, attempt=2)
    again[1].says(f"from {first} with b'epoch {first} of rank 1'")
    assert job.wait_phase("Succeeded").restarts == 0


def test_gang_saves_when_one_rank_is_terminated(story: Story, cluster: Machines) -> None:
    """Only that rank gets SIGTERM. It must stay until the checkpoint is acknowledged."""
    job = apply(story, cluster)
    ranks = cluster.run(job, "0.5")
    trained_to(job, 2)

    job.delete_pod(1, grace=10)

    again = cluster.run(job, QUICK, attempt=2)
    epoch = left_after(ranks[1])
    again[0].says(f"from {epoch} with b'epoch {epoch} of rank 0'")
    first = job.wait_phase("Succeeded").attempts[0]
    assert (first["cause"], first["rank"]) == ("Deleted", 1)


def trained_to(job: JobStory, epoch: int) -> None:
    job.wait(lambda now: (now.status.get("progress") or {}).get("epoch", 0) >= epoch, f"{epoch}")


def left_after(rank: Container) -> int:
    return int(rank.log.split("leaving after ")[1].split()[0])
