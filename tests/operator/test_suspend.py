"""spec.suspend frees every node and keeps the checkpoint. A deadline ends a job."""

import time

from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story, condition


def wait_suspended(job: JobStory) -> Job:
    job.wait_condition("Suspended", "True", "Suspended")
    assert not [pod.name for pod in job.pods() if pod.live]
    return job.now


def test_suspended_job_resumes_from_its_checkpoint(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    assert job.worker().saves(20).status == 200
    started = job.now.status["startTime"]
    time.sleep(1)  # startTime has whole seconds

    job.suspend()
    suspended = wait_suspended(job)
    assert suspended.phase == "Suspended"
    assert suspended.workers == {"desired": 3} | dict.fromkeys(
        ("created", "scheduled", "running", "ready", "succeeded", "failed"), 0
    )
    assert suspended.newest_complete
    story.recorder.assert_quiet(2)

    job.resume()
    again = job.wait_phase("Running")
    assert again.attempt == 2
    assert again.restarts == 0
    assert again.restored_from == {"epoch": 20, "uri": suspended.newest_complete["uri"]}
    assert again.attempts[0]["cause"] == "Suspended"
    assert again.status["startTime"] > started
    assert condition(again, "Suspended")["status"] == "False"


def test_checkpoint_saved_during_grace_period_counts(story: Story) -> None:
    job = story.apply(nodes=2, template={"terminationGracePeriodSeconds": 5})
    job.wait_phase("Running")
    rank_zero = job.worker()
    assert not rank_zero.trains_to(7)["stop"]

    job.suspend()
    job.wait_phase("Suspended")
    assert rank_zero.trains_to(7)["stop"]
    assert rank_zero.saves(7).status == 200
    wait_suspended(job)

    job.resume()
    assert job.wait_phase("Running").restored_from == {
        "epoch": 7,
        "uri": f"{rank_zero.folder}/epoch-7",
    }


def test_exceeded_deadline_fails_the_job(story: Story) -> None:
    job = story.apply(nodes=2, activeDeadlineSeconds=2)
    job.wait_phase("Running")

    failed = job.wait_phase("Failed")

    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"
    assert failed.attempts[-1]["cause"] == "DeadlineExceeded"
    job.wait_pods(lambda pods: not any(pod.live for pod in pods), "its workers gone")
