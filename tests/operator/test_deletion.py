"""What is left of a job when it is deleted: nothing, unless the user says so."""

import pytest

from tests.kit.racks import Racks
from tests.kit.recorder.history import State
from tests.kit.story import Story, exists


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_job_leaves_nothing(story: Story, propagation: str) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")

    job.delete(propagation)

    job.wait_gone(seconds=15)


def test_a_job_deleted_while_it_starts_leaves_nothing(story: Story, racks: Racks) -> None:
    job = story.apply(nodes=3, acceleratorType=racks.build(nodes=2))
    job.wait(lambda job: job.workers.get("created") == 3, "its pods")

    job.delete()

    job.wait_gone(seconds=15)


def test_orphans_are_left_alone(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    names = {pod.name for pod in job.pods()}

    job.delete("Orphan")
    story.wait(lambda state: not state.job(job.uid), "the job gone")
    story.recorder.assert_quiet(3)

    left = {pod.name: pod for pod in story.recorder.state.pods}
    assert set(left) == names
    assert not any(pod.deleting or pod.owner for pod in left.values())
    assert exists(story.api, f"{story.core}/services/{job.name}")


def test_a_job_is_deleted_and_applied_again_under_the_same_name_at_once(story: Story) -> None:
    old = story.apply(nodes=3)
    old.wait_phase("Running")

    old.delete()
    new = story.apply(nodes=2)

    running = new.wait_phase("Running")
    assert running.attempt == 1
    assert {pod.owner for pod in new.pods()} == {new.uid}
    old.wait_gone()
    assert new.now.phase == "Running"


def test_a_time_to_live_deletes_the_finished_job(story: Story) -> None:
    job = story.apply(nodes=2, ttlSecondsAfterFinished=1)
    job.wait_phase("Running")
    job.finish()
    job.wait_phase("Succeeded")

    job.wait_gone(seconds=15)


def test_a_time_to_live_of_zero_deletes_a_failed_job_at_once(story: Story) -> None:
    job = story.apply(nodes=2, ttlSecondsAfterFinished=0, restartPolicy={"maxRestarts": 0})
    job.wait_phase("Running")
    job.oom_kill(1)

    job.wait_gone(seconds=15)

    assert job.history[-1].phase == "Failed"


def test_a_service_deleted_by_hand_is_repaired_without_a_restart(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    service = f"{story.core}/services/{job.name}"
    before = story.api.get(service)["metadata"]["uid"]

    story.api.delete(service)

    def repaired(state: State) -> bool:
        return any(each["metadata"]["uid"] != before for each in state.all("Service"))

    story.wait(repaired, "another Service")
    assert job.now.attempt == 1


def test_a_rank_deleted_by_hand_while_the_gang_starts_is_made_again(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=2)
    job = story.apply(nodes=3, acceleratorType=rack)
    job.wait(lambda job: job.workers.get("scheduled") == 2, "two ranks with a node")
    placed = next(pod for pod in job.pods() if pod.node)

    job.delete_pod(placed.rank)
    job.wait_pods(
        lambda pods: any(pod.rank == placed.rank and pod.uid != placed.uid for pod in pods),
        f"rank {placed.rank} again",
    )
    racks.add(rack, 1)

    assert job.wait_phase("Running").attempt == 1
