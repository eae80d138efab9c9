"""The deletion of a job deletes its objects too, unless the user asks to keep them."""

import pytest

from tests.kit.story import Story, exists


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_deleted_job_leaves_no_objects(story: Story, propagation: str) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")

    job.delete(propagation)

    job.wait_gone(seconds=15)


def test_orphaned_pods_are_left_alone(story: Story) -> None:
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


def test_recreated_job_starts_while_old_one_ends(story: Story) -> None:
    old = story.apply(nodes=3)
    old.wait_phase("Running")

    old.delete()
    new = story.apply(nodes=2)

    running = new.wait_phase("Running")
    assert running.attempt == 1
    assert {pod.owner for pod in new.pods()} == {new.uid}
    old.wait_gone()
    assert new.now.phase == "Running"


def test_finished_job_is_deleted_after_its_ttl(story: Story) -> None:
    job = story.apply(nodes=2, ttlSecondsAfterFinished=1)
    job.wait_phase("Running")
    job.finish()
    job.wait_phase("Succeeded")

    job.wait_gone(seconds=15)
