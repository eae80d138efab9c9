"""A silent gang is restarted. A gang that reports slowly is left alone."""

import time

from tests.kit.recorder.history import Json
from tests.kit.story import JobStory, Story
from tests.kit.worker import reporting


def running(story: Story, nodes: int = 2, **hang: int) -> JobStory:
    job = story.apply(nodes=nodes, hang=hang)
    job.wait_phase("Running")
    return job


def ending(job: JobStory, attempt: int = 1) -> Json:
    found = job.wait(lambda job: job.attempt == attempt + 1, f"attempt {attempt + 1}")
    return next(each for each in found.attempts if each["number"] == attempt)


def test_silent_gang_restarts_from_its_checkpoint(story: Story) -> None:
    job = running(story, reportTimeoutSeconds=3)
    rank_zero = job.worker()
    assert rank_zero.saves(5).status == 200
    with reporting(rank_zero, job.worker(1), epoch=7):
        time.sleep(5)
        assert job.now.attempt == 1

    ended = ending(job)

    assert ended["cause"] == "Hang"
    assert (
        "(spec.hang.reportTimeoutSeconds); the last position known is epoch 7" in ended["message"]
    )
    assert "rank" in ended["message"]
    again = job.wait_phase("Running", attempt=2)
    assert again.restored_from
    assert again.restored_from["epoch"] == 5
    assert (again.restarts, again.status["failuresSinceCheckpoint"]) == (1, 1)
    assert story.operator.metric("stargate_attempts_ended_total", cause="Hang") >= 1
    assert any("Hang" in event["message"] for event in job.events("AttemptEnded"))
