"""A failed or deleted rank restarts the gang. The status names the cause and the resume point."""

from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story


def ending(job: Job, attempt: int = 1) -> dict[str, object]:
    return next(each for each in job.attempts if each["number"] == attempt)


def seconds_to_act(job: JobStory) -> float:
    """The time from the write of the first failed pod to the write of the next attempt."""
    writes = job.story.recorder.writes()
    failed = next(
        w.at for w in writes if w.pod and w.pod.owner == job.uid and w.pod.phase == "Failed"
    )
    return next(w.at for w in writes if w.job and w.job.attempt == 2) - failed


def test_failed_rank_restarts_gang_from_last_checkpoint(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    rank_zero = job.worker()
    assert rank_zero.saves(5).status == 200
    assert rank_zero.saves(10).status == 200
    rank_zero.saves(15, "Writing")
    victim = job.kill(2, 3, message="Traceback: out of luck")

    again = job.wait_phase("Running", attempt=2)

    assert again.restarts == 1
    assert again.restored_from == {"epoch": 10, "uri": f"{rank_zero.folder}/epoch-10"}
    assert again.status["progress"]["epoch"] == 10
    assert again.status["progress"]["percent"] == 10.0
    assert ending(again) | {
        "cause": "Exit",
        "rank": 2,
        "node": victim.node,
        "exitCode": 3,
        "worldSize": 3,
    } == ending(again)
    assert "out of luck" in str(ending(again)["message"])
    assert ending(again, 2)["restoredEpoch"] == 10
    assert {worker.env["STARGATE_RESUME_EPOCH"] for worker in job.pods()} == {"10"}
    assert job.worker().folder != rank_zero.folder
    assert seconds_to_act(job) >= 0.9, "the operator did not wait for an earlier failure"


def test_rank_deleted_with_grace_restarts_gang(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.delete_pod(1, grace=2)

    again = job.wait_phase("Running", attempt=2)

    assert ending(again)["cause"] == "Deleted"
