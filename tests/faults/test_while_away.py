"""What happens to jobs while no operator runs.

What is expected of the operator: it holds nothing back while it is away (no finalizer), and comes
back to what is there without stumbling over what is gone.
"""

from tests.kit.racks import Racks
from tests.kit.story import Story

RANKS = 4


def test_a_job_deleted_while_the_operator_is_down_leaves_nothing(
    story: Story, racks: Racks
) -> None:
    job = story.apply("job", RANKS, acceleratorType=racks.build(nodes=RANKS))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        job.delete()
        job.wait_gone()
        story.operator.start()

    story.recorder.assert_quiet(2)


def test_a_foreground_deletion_needs_no_operator(story: Story, racks: Racks) -> None:
    job = story.apply("job", RANKS, acceleratorType=racks.build(nodes=RANKS))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        job.delete("Foreground")
        job.wait_gone()
        story.operator.start()


def test_an_operator_that_comes_back_finishes_the_deletion(story: Story, racks: Racks) -> None:
    """The garbage collector makes 20 deletes a second; the operator need not wait for it."""
    many = 60
    job = story.apply("job", many, acceleratorType=racks.build(nodes=many))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        job.delete()
        story.wait(lambda state: not state.job(job.uid), "the job gone")
        story.operator.start()

    job.wait_gone()


def test_a_job_deleted_and_applied_again_while_the_operator_is_down_starts_anew(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=RANKS)
    old = story.apply("job", RANKS, acceleratorType=rack)
    old.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        old.delete()
        story.wait(lambda state: not state.job(old.uid), "the old job gone")
        new = story.apply("job", RANKS - 1, acceleratorType=rack)
        story.operator.start()

    running = new.wait_phase("Running")
    assert (running.attempt, running.restarts) == (1, 0)
    assert {pod.owner for pod in new.pods()} == {new.uid}
    old.wait_gone()
    new.finish()
    new.wait_phase("Succeeded")


def test_what_befell_a_job_meanwhile_is_found_and_counted_once(story: Story, racks: Racks) -> None:
    failed = story.apply("failed", RANKS, acceleratorType=racks.build(nodes=RANKS))
    done = story.apply("done", RANKS, acceleratorType=racks.build(nodes=RANKS))
    for job in (failed, done):
        job.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        failed.oom_kill(2)
        done.finish()
        story.operator.start()

    assert done.wait_phase("Succeeded").attempt == 1
    again = failed.wait_phase("Running", attempt=2)
    assert (again.restarts, again.attempts[0]["cause"]) == (1, "OOMKilled")
