"""Workers look silent to an operator that was down. This silence is no hang."""

import time

from tests.kit.racks import Racks
from tests.kit.story import Story
from tests.kit.worker import reporting


def test_restarted_operator_ignores_silence_during_its_absence(story: Story, racks: Racks) -> None:
    job = story.apply(
        nodes=2, acceleratorType=racks.build(nodes=2), hang={"reportTimeoutSeconds": 4}
    )
    job.wait_phase("Running")
    with reporting(job.worker(0), job.worker(1), epoch=3):
        time.sleep(1.5)
        with story.recorder.interrupted():
            story.operator.kill()
            time.sleep(5)
            story.operator.start()
        time.sleep(5)
        assert job.now.attempt == 1

    again = job.wait_phase("Running", attempt=2)

    assert again.attempts[0]["cause"] == "Hang"
    assert "last position known is epoch 3" in again.attempts[0]["message"]
