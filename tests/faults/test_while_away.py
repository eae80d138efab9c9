"""Jobs are deleted, fail and finish while no operator runs.

The operator uses no finalizer, so a deletion does not wait for it. After its start it handles the
current state and ignores objects that are gone.
"""

from tests.kit.racks import Racks
from tests.kit.story import Story

RANKS = 4


def test_job_deleted_while_operator_down_leaves_nothing(story: Story, racks: Racks) -> None:
    job = story.apply("job", RANKS, acceleratorType=racks.build(nodes=RANKS))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        story.operator.kill()
        job.delete()
        job.wait_gone()
        story.operator.start()

    story.recorder.assert_quiet(2)


def test_failure_while_operator_down_is_counted_once(story: Story, racks: Racks) -> None:
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
