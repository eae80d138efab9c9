"""The operator does its work where all the chart's admission policies hold."""

import pytest

from tests.kit.fixtures import policies
from tests.kit.story import Story

__all__ = ["policies"]

pytestmark = pytest.mark.usefixtures("policies")


def test_a_gang_lives_dies_and_is_cleared_away_under_all_of_them(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    story.api.delete(f"{story.core}/pods/job-1-1")
    job.wait(lambda job: job.attempt == 2 and job.phase == "Running", "a second attempt")
    story.api.delete(job.path)
    story.wait(lambda state: not state.all("Pod"), "no pods")
