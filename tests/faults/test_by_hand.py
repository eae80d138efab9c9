"""A user deletes pods at random while five jobs start, run, restart and finish.

Every job finishes all its epochs. Each restart resumes from the newest complete checkpoint. A
deletion is no counted failure.
"""

import random
import time
from collections.abc import Iterator

import pytest

from stargate_lab.cluster.api import ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process.trainer_process import TrainerProcess
from stargate_lab.workload.training import Behaviour
from tests.kit.racks import Racks
from tests.kit.recorder.history import Pod
from tests.kit.story import JobStory, Story

SEED = 20260301
SECONDS = 20.0
EPOCHS = 12


@pytest.fixture
def trainers(plane: ControlPlane) -> Iterator[TrainerProcess]:
    behaviour = Behaviour(epoch_seconds=0.4, checkpoint_seconds=0.0, only_rank_zero_reports=True)
    trainers = TrainerProcess(plane, behaviour)
    trainers.start()
    yield trainers
    trainers.stop()


def delete(story: Story, pod: Pod, grace: int) -> bool:
    try:
        story.api.delete(f"{story.core}/pods/{pod.name}", {"gracePeriodSeconds": grace})
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def meddle(story: Story, chance: random.Random, seconds: float) -> int:
    until, deleted = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.6))
        live = [pod for pod in story.recorder.look(lambda state: state.pods) if pod.live]
        if live:
            pod = chance.choice(sorted(live, key=lambda pod: pod.name))
            deleted += delete(story, pod, chance.choice((0, 1, 2)))
    return deleted


def apply(story: Story, racks: Racks, number: int) -> JobStory:
    return story.apply(
        f"job-{number}",
        6,
        acceleratorType=racks.build(nodes=6),
        epochs=EPOCHS,
        checkpointIntervalEpochs=2,
        restartPolicy={"maxRestarts": 0},
    )


@pytest.mark.usefixtures("trainers")
def test_jobs_finish_despite_random_pod_deletions(story: Story, racks: Racks) -> None:
    jobs = [apply(story, racks, number) for number in range(5)]

    deleted = meddle(story, random.Random(SEED), SECONDS)

    assert deleted > SECONDS / 4
    for job in jobs:
        done = job.wait_phase("Succeeded", seconds=60)
        assert done.newest_complete
        assert done.newest_complete["epoch"] == EPOCHS
        assert {each["cause"] for each in done.attempts[:-1]} <= {"Deleted"}
        assert done.restarts == done.attempt - 1
    assert sum(job.now.restarts for job in jobs) > 0, "no pod of a running gang was hit"
