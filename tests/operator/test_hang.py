"""A gang that falls silent is begun anew; one that is only slow to speak is left alone."""

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


def test_a_gang_that_stops_reporting_is_begun_anew_from_its_checkpoint(story: Story) -> None:
    job = running(story, reportTimeoutSeconds=3)
    rank_zero = job.worker()
    assert rank_zero.saves(5).status == 200
    with reporting(rank_zero, job.worker(1), epoch=7):
        time.sleep(5)
        assert job.now.attempt == 1

    ended = ending(job)

    assert ended["cause"] == "Hang"
    assert "(spec.hang.reportTimeoutSeconds); the last epoch known is 7" in ended["message"]
    assert "rank" in ended["message"]
    again = job.wait_phase("Running", attempt=2)
    assert again.restored_from
    assert again.restored_from["epoch"] == 5
    assert (again.restarts, again.status["failuresSinceCheckpoint"]) == (1, 1)
    assert story.operator.metric("stargate_attempts_ended_total", cause="Hang") >= 1
    assert any("Hang" in event["message"] for event in job.events("AttemptEnded"))


def test_one_silent_rank_is_no_hang_and_is_named_when_the_rest_follows(story: Story) -> None:
    job = running(story, nodes=3, reportTimeoutSeconds=4)
    with reporting(job.worker(1)):
        time.sleep(1.5)
    with reporting(job.worker(0), job.worker(2)):
        time.sleep(6)
        assert job.now.attempt == 1

    ended = ending(job)

    assert (ended["cause"], ended["rank"]) == ("Hang", 1)
    assert "rank 1 fell silent first" in ended["message"]
    assert ended["node"]


def test_a_gang_that_never_reports_is_begun_anew(story: Story) -> None:
    job = running(story, reportTimeoutSeconds=2)

    ended = ending(job)

    assert ended["cause"] == "Hang"
    assert "no rank has reported since all of them ran" in ended["message"]


def test_silence_is_counted_anew_with_each_attempt_and_bounded(story: Story) -> None:
    job = story.apply(nodes=1, hang={"reportTimeoutSeconds": 2}, restartPolicy={"maxRestarts": 1})

    failed = job.wait_phase("Failed", seconds=40)

    assert [each["cause"] for each in failed.attempts] == ["Hang", "Hang"]
    reason = next(c for c in failed.status["conditions"] if c["type"] == "Failed")
    assert reason["reason"] == "MaxRestartsExceeded"


def test_the_timeout_can_be_set_and_taken_back_while_it_runs(story: Story) -> None:
    job = running(story, reportTimeoutSeconds=3)
    with reporting(job.worker()):
        time.sleep(1)
        job.patch(hang=None)
        job.wait(lambda job: not job.spec.get("hang"), "no timeout")
        time.sleep(1)
    time.sleep(5)
    assert job.now.attempt == 1, "nothing is a hang without a timeout"

    job.patch(hang={"reportTimeoutSeconds": 1})
    time.sleep(3)
    assert job.now.attempt == 1, "ranks that were told to come back later are waited for"

    assert ending(job)["cause"] == "Hang"


def test_ranks_are_asked_to_report_as_often_as_the_timeout_needs(story: Story) -> None:
    job = running(story, reportTimeoutSeconds=6)

    asked = job.worker(1).report(step=1).body["nextReportSeconds"]

    assert asked <= 3
    with reporting(job.worker(0)):
        job.patch(suspend=True)
        job.wait_phase("Suspended")
    time.sleep(7)
    assert job.now.attempts[-1]["cause"] == "Suspended", "a suspended job is silent on purpose"
