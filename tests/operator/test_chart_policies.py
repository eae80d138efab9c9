"""The operator works while all admission policies of the chart are in force."""

import pytest

from tests.kit.fixtures import policies
from tests.kit.story import Story

__all__ = ["policies"]

pytestmark = pytest.mark.usefixtures("policies")


def test_gang_lifecycle_works_under_all_admission_policies(story: Story) -> None:
    job = story.apply(nodes=3)
    job.wait_phase("Running")
    story.api.delete(f"{story.core}/pods/job-1-1")
    job.wait(lambda job: job.attempt == 2 and job.phase == "Running", "a second attempt")
    story.api.delete(job.path)
    story.wait(lambda state: not state.all("Pod"), "no pods")
