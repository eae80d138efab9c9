"""A job ends under random faults as it would without them, and then causes no more writes.

A life is one run of a job under faults, and its seed decides all of it: the same seed gives the same
life. The invariants are checked on every write.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from tests.kit import virtual_time
from tests.kit.cluster import Cluster
from tests.kit.cluster.chaos import Chaos
from tests.kit.cluster.workers import Trainer, Training
from tests.kit.other_process import last_line_of
from tests.kit.recorder.history import Job, Write

EPOCHS = 30


@dataclass
class Life:
    """The outcome of one run."""

    job: Job
    happened: Counter[str]
    damaged: set[str]
    acknowledged: set[int]
    live_pods: int
    writes: list[Write]

    @property
    def causes(self) -> set[str]:
        jobs = [write.job for write in self.writes if write.job]
        return {each["cause"] for job in jobs for each in job.attempts if each.get("cause")}

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.writes).encode()).hexdigest()


async def lived(seed: int, max_restarts: int) -> Life:
    dice = Random(seed)
    size = dice.choice([1, 2, 3, 4])
    cluster = Cluster(seed, nodes=size + dice.choice([0, 0, 2]))
    cluster.kubelets.code_at_stop = lambda: dice.choice((143, 137))
    trainer = Trainer(cluster, Training(epoch_seconds=5.0))
    await cluster.operated()
    job = cluster.apply(
        nodes=size,
        epochs=EPOCHS,
        checkpointIntervalEpochs=2,
        checkpoint={"retain": 2},
        restartPolicy={"maxRestarts": max_restarts},
        scheduling={"startTimeoutSeconds": 60},
    )
    chaos = Chaos(cluster, job, dice)
    with cluster.recorder.interrupted():
        await chaos.reign(dice.choice((60.0, 120.0, 240.0)))
        await chaos.stop()
    done = await job.wait(lambda job: job.finished, "its end", seconds=3600)
    await cluster.rests(60.0)
    await cluster.close()
    return Life(
        job=done,
        happened=chaos.happened,
        damaged=chaos.damaged,
        acknowledged={position.epoch for _, position in trainer.acknowledged},
        live_pods=sum(pod.live for pod in cluster.recorder.state.pods_of(job.uid)),
        writes=cluster.recorder.writes,
    )


def life(seed: int, max_restarts: int = 1000) -> Life:
    return virtual_time.run(lived(seed, max_restarts), dice=Random(seed))


@pytest.mark.parametrize("first", range(0, 24, 6))
def test_job_succeeds_despite_random_faults(first: int) -> None:
    lives = []
    for seed in range(first, first + 6):
        found = life(seed)
        assert found.job.phase == "Succeeded", seed
        assert found.job.newest_complete, seed
        assert found.job.newest_complete["epoch"] == EPOCHS, seed
        lives.append(found)
    were_eventful(lives)


def were_eventful(lives: list[Life]) -> None:
    """The faults were many and different; without them the test would prove little."""
    happened = sum((each.happened for each in lives), Counter())
    assert len({cause for each in lives for cause in each.causes}) >= 6
    assert len(happened) >= 9, happened
    assert sum(each.job.attempt for each in lives) > 15
    assert sum(len(each.acknowledged) for each in lives) > 45
    assert sum(len(each.damaged) for each in lives) > 1


@pytest.mark.parametrize("most", [0, 1, 3])
def test_job_with_few_restarts_ends_despite_faults(most: int) -> None:
    for seed in range(1000, 1003):
        found = life(seed, max_restarts=most)
        assert found.job.phase in ("Succeeded", "Failed"), seed
        assert not found.live_pods, seed


def test_seed_reproduces_same_life_in_another_process() -> None:
    """The other process has another hash seed, so its sets have another order."""
    program = "from tests.component.test_random_lives import life; print(life(7).digest)"
    assert last_line_of(program) == life(7).digest
