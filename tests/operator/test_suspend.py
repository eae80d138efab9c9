"""spec.suspend frees every node at each stage of a job's life, and loses nothing on the way."""

import time

from tests.kit.racks import Racks
from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story, condition


def wait_suspended(job: JobStory) -> Job:
    job.wait_condition("Suspended", "True", "Suspended")
    assert not [pod.name for pod in job.pods() if pod.live]
    return job.now


def test_a_running_job_is_suspended_and_resumes_from_its_checkpoint(story: Story) -> None:
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


def test_a_last_save_within_the_grace_counts(story: Story) -> None:
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


def test_a_job_may_be_born_suspended(story: Story) -> None:
    job = story.apply(nodes=2, suspend=True)
    born = wait_suspended(job)
    assert born.attempt == 0
    story.recorder.assert_quiet(2)

    job.resume()
    running = job.wait_phase("Running")

    assert running.attempt == 1
    assert job.phases == ["Suspended", "Pending", "Starting", "Running"]


def test_a_job_that_waits_for_its_class_can_be_suspended(story: Story, racks: Racks) -> None:
    job = story.apply(nodes=2, acceleratorType="rack-to-come")
    job.wait_condition("Accepted", "False", "AcceleratorClassNotFound")

    job.suspend()
    wait_suspended(job)
    racks.classify("rack-to-come")
    racks.add("rack-to-come", 2)
    job.resume()

    assert job.wait_phase("Running").attempt == 1


def test_a_starting_gang_is_suspended_and_gives_its_nodes_back(story: Story, racks: Racks) -> None:
    rack = racks.build(nodes=2)
    job = story.apply(nodes=3, acceleratorType=rack)
    job.wait(lambda job: job.workers.get("scheduled") == 2, "two ranks with a node")

    job.suspend()
    wait_suspended(job)
    racks.add(rack, 1)
    job.resume()

    again = job.wait_phase("Running")
    assert (again.attempt, again.restarts) == (2, 0)


def test_a_restarting_job_is_suspended_before_its_next_attempt(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.oom_kill(0)
    job.wait_phase("Running", attempt=2)
    job.oom_kill(0)
    job.wait_condition("Scheduled", "False", "BackingOff")

    job.suspend()
    wait_suspended(job)
    story.recorder.assert_quiet(2)
    job.resume()

    assert (
        job.wait(lambda job: job.phase in ("Restarting", "Starting"), "on its way again").restarts
        == 2
    )


def test_a_finished_job_is_not_suspended(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.finish()
    job.wait_phase("Succeeded")

    job.suspend()
    story.recorder.assert_quiet(2)

    assert job.now.phase == "Succeeded"


def test_a_deadline_ends_the_job(story: Story) -> None:
    job = story.apply(nodes=2, activeDeadlineSeconds=2)
    job.wait_phase("Running")

    failed = job.wait_phase("Failed")

    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"
    assert failed.attempts[-1]["cause"] == "DeadlineExceeded"
    job.wait_pods(lambda pods: not any(pod.live for pod in pods), "its workers gone")


def test_a_deadline_starts_anew_on_resume(story: Story) -> None:
    job = story.apply(nodes=2, activeDeadlineSeconds=3)
    job.wait_phase("Running")
    job.suspend()
    wait_suspended(job)
    time.sleep(2)
    assert job.now.phase == "Suspended"

    job.resume()
    job.wait_phase("Running")
    failed = job.wait_phase("Failed")

    resumed = next(each for each in job.history if each.attempt == 2).status["startTime"]
    assert failed.status["startTime"] == resumed
    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"


def test_a_deadline_can_be_set_while_the_job_runs(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")

    job.patch(activeDeadlineSeconds=1)

    assert condition(job.wait_phase("Failed"), "Failed")["reason"] == "DeadlineExceeded"
