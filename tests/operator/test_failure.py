"""What fails, and how a job comes back from it: from where, because of what, and at what cost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story


def ending(job: Job, attempt: int = 1) -> dict[str, object]:
    return next(each for each in job.attempts if each["number"] == attempt)


def failed_pods(job: JobStory, attempt: int) -> set[str]:
    """Those that ended by themselves."""
    pods = [write.pod for write in job.story.recorder.writes() if write.job_uid == job.uid]
    failed = (pod for pod in pods if pod and pod.phase == "Failed" and not pod.deleting)
    return {pod.name for pod in failed if pod.attempt == attempt}


def seconds_to_act(job: JobStory) -> float:
    """From the commit of the first failed pod to that of the next attempt."""
    writes = job.story.recorder.writes()
    failed = next(
        w.at for w in writes if w.pod and w.pod.owner == job.uid and w.pod.phase == "Failed"
    )
    return next(w.at for w in writes if w.job and w.job.attempt == 2) - failed


def test_a_failed_rank_restarts_the_gang_from_its_last_complete_checkpoint(story: Story) -> None:
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
    assert seconds_to_act(job) >= 0.9  # another rank might have been the first


def test_an_attempt_without_a_checkpoint_is_started_anew(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.worker().trains_to(4)
    job.oom_kill(1)

    again = job.wait_phase("Running", attempt=2)

    assert again.restored_from is None
    assert job.worker().resumes_from is None
    assert again.status["progress"]["epoch"] == 0


def test_a_gang_of_one_is_started_anew_though_nothing_is_left_to_delete(story: Story) -> None:
    job = story.apply(nodes=1)
    job.wait_phase("Running")
    job.kill(0, 1)

    assert job.wait_phase("Running", attempt=2).restarts == 1


def test_an_out_of_memory_kill_acts_at_once(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    job.oom_kill(1)

    again = job.wait_phase("Running", attempt=2)

    assert ending(again)["cause"] == "OOMKilled"
    assert ending(again)["exitCode"] == 137
    assert seconds_to_act(job) < 1


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [(137, "Error", "Signal"), (1, "Error", "Exit"), (255, "Error", "Exit")],
)
def test_the_cause_of_an_exit(story: Story, code: int, reason: str, cause: str) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.kill(1, code, reason=reason)

    again = job.wait(lambda job: job.attempt == 2, "attempt 2")

    assert (ending(again)["cause"], ending(again)["rank"]) == (cause, 1)


def test_the_first_to_fail_is_blamed_not_the_first_to_be_seen(story: Story) -> None:
    """One rank's death makes the others crash, and their kubelets may be quicker to say so."""
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    job.kill(0, 1, message="connection reset by peer")
    job.oom_kill(2)

    again = job.wait_phase("Running", attempt=2)

    assert (ending(again)["cause"], ending(again)["rank"]) == ("OOMKilled", 2)
    assert again.restarts == 1


def test_a_job_fails_for_good_when_its_restarts_are_used_up(story: Story) -> None:
    job = story.apply(nodes=2, restartPolicy={"maxRestarts": 1})
    job.wait_phase("Running")
    job.kill(1, 7)
    job.wait_phase("Running", attempt=2)
    job.oom_kill(0)

    failed = job.wait_phase("Failed")

    said = next(c for c in failed.status["conditions"] if c["type"] == "Failed")
    assert said["reason"] == "MaxRestartsExceeded"
    assert "OOMKilled" in said["message"]
    assert "maxRestarts" in said["message"]
    assert ending(failed, 2)["cause"] == "OOMKilled"
    assert (failed.attempt, failed.restarts) == (2, 1)
    job.wait_pods(lambda pods: not any(pod.live for pod in pods), "its other workers gone")
    story.recorder.assert_quiet(2)


def test_a_checkpoint_forgives_the_failures_before_it(story: Story) -> None:
    job = story.apply(nodes=2, restartPolicy={"maxRestarts": 1})
    job.wait_phase("Running")
    job.kill(1, 7)
    job.wait_phase("Running", attempt=2)
    assert job.now.status["failuresSinceCheckpoint"] == 1
    assert job.worker().saves(5).status == 200
    job.oom_kill(1)

    again = job.wait_phase("Running", attempt=3)

    assert again.restarts == 2
    assert again.status["failuresSinceCheckpoint"] == 1


def test_the_culprits_pod_and_at_most_nine_others_stay_until_the_next_restart(story: Story) -> None:
    job = story.apply(nodes=14)
    job.wait_phase("Running")
    culprit, *bystanders = (job.rank(rank) for rank in (12, *range(12)))
    job.exits(culprit, 1)
    with ThreadPoolExecutor() as kubelets:
        list(kubelets.map(lambda pod: job.exits(pod, 1), bystanders))
    again = job.wait_phase("Running", attempt=2)

    failed = failed_pods(job, attempt=1)
    kept = job.wait_pods(
        lambda pods: sum(pod.attempt == 1 for pod in pods) == min(10, len(failed)),
        f"10 at most of {len(failed)} failed pods kept",
    )
    assert f"{job.name}-1-{ending(again)['rank']}" in {pod.name for pod in kept}

    job.delete_pod(3)
    job.wait_phase("Running", attempt=3)
    job.wait_pods(lambda pods: {pod.attempt for pod in pods} == {3}, "the pods of attempt 1 pruned")


def test_a_rank_deleted_by_hand_is_no_fault_of_the_training(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    job.delete_pod(1)

    again = job.wait_phase("Running", attempt=2)

    assert (ending(again)["cause"], ending(again)["rank"]) == ("Deleted", 1)
    assert again.restarts == 1
    assert not again.status.get("failuresSinceCheckpoint")


def test_a_rank_deleted_by_hand_with_grace_restarts_the_gang_when_it_is_gone(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.delete_pod(1, grace=2)

    again = job.wait_phase("Running", attempt=2)

    assert ending(again)["cause"] == "Deleted"


def test_an_evicted_rank_restarts_the_gang_uncounted(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.set_pod_status(
        job.rank(1), {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}
    )

    again = job.wait_phase("Running", attempt=2)

    assert ending(again)["cause"] == "Evicted"
    assert "low on disk" in str(ending(again)["message"])
    assert not again.status.get("failuresSinceCheckpoint")


def test_goodput_says_where_the_time_went(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    assert job.worker().saves(5).status == 200
    job.kill(1, 1)
    job.wait_phase("Running", attempt=2)
    job.finish()
    done = job.wait_phase("Succeeded")

    spent = done.status["goodput"]
    parts = ("productiveSeconds", "startingSeconds", "lostSeconds", "restartingSeconds")
    first, last = done.attempts[0]["start"], done.status["accountedTime"]
    total = sum(spent[part] for part in parts)
    assert total == pytest.approx(seconds_between(first, last), abs=0.1)
    assert spent["ratio"] == pytest.approx(spent["productiveSeconds"] / total, abs=0.001)
    assert spent["lostSeconds"] == pytest.approx(ending(done)["lostSeconds"], abs=0.01)
    assert spent["startingSeconds"] > 0
    assert spent["restartingSeconds"] > 0


def seconds_between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()
