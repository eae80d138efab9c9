"""The scheduler keeps gangs whole where the API server has PodGroups.

The operator creates one PodGroup for each attempt, and the pods name it. Of two gangs of 60 on 100
nodes, the scheduler binds one whole; the other never holds a node.
"""

from collections.abc import Iterator

import pytest

from tests.faults.gangs import held
from tests.faults.lab import Lab, a_lab
from tests.kit.racks import Racks
from tests.kit.recorder.history import State
from tests.kit.story import JobStory, Story, eventually

MANY = 60


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An API server without streaming lists, like version 1.33: the operator lists in pages."""
    directory = tmp_path_factory.mktemp("audit")
    with a_lab(directory, gang_scheduling=True, streamed_lists=False) as lab:
        yield lab


def pod_groups(story: Story) -> str:
    return f"/apis/scheduling.k8s.io/v1alpha2/namespaces/{story.namespace}/podgroups"


def groups(story: Story) -> set[str]:
    return {group["metadata"]["name"] for group in story.api.get(pod_groups(story))["items"]}


def ever_held(job: JobStory) -> bool:
    """True if any pod of the job ever had a node."""
    writes = job.story.recorder.writes()
    return any(write.pod and write.pod.owner == job.uid and write.pod.node for write in writes)


def test_losing_native_gang_holds_no_node_while_waiting(story: Story, racks: Racks) -> None:
    rack = racks.build(nodes=100)
    jobs = [story.apply(name, MANY, acceleratorType=rack) for name in ("one", "other")]

    def whole(state: State) -> JobStory | None:
        return next((job for job in jobs if held(state, job.uid) == MANY), None)

    first: JobStory = story.wait(whole, "one gang with all its nodes")
    second = next(job for job in jobs if job is not first)
    first.wait_phase("Running")
    assert second.wait_phase("Queued").workers["created"] == MANY
    assert not ever_held(second)
    assert groups(story) == {"one-1", "other-1"}
    story.recorder.assert_quiet(2)

    first.finish()
    first.wait_phase("Succeeded")
    assert second.wait_phase("Running", seconds=40).attempt == 1
    second.oom_kill(3)
    second.wait_phase("Running", attempt=2, seconds=40)
    eventually(lambda: f"{second.name}-1" not in groups(story), "the end of the old PodGroup")
    assert f"{second.name}-2" in groups(story)
    second.finish()
    second.wait_phase("Succeeded")

    for job in jobs:
        job.delete()
    for job in jobs:
        job.wait_gone()
    eventually(lambda: not groups(story), "no PodGroup left")


def test_foreign_pod_group_is_reported_and_left_alone(story: Story, racks: Racks) -> None:
    squatter = {
        "metadata": {"name": "job-1"},
        "spec": {"schedulingPolicy": {"gang": {"minCount": 7}}},
    }
    made = story.api.create(pod_groups(story), squatter)
    job = story.apply("job", 2, acceleratorType=racks.build(nodes=2))

    condition = job.wait_condition("Scheduled", "False", "NameTaken")

    assert "there is a PodGroup job-1 already" in condition["message"]
    assert not job.pods(), "the operator creates no pod without its PodGroup"
    assert story.api.get(f"{pod_groups(story)}/job-1")["spec"] == made["spec"]

    story.api.delete(f"{pod_groups(story)}/job-1")
    assert job.wait_phase("Running", seconds=40).attempt == 1
