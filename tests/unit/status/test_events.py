"""Kubernetes events: one for each change, and never a log line."""

from typing import Any

from stargate_operator.decide.observed import Trouble
from stargate_operator.model.blueprint import Refusal
from stargate_operator.status.events import JobEvent, events
from tests.kit.builders import (
    GivenJob,
    at,
    checkpoint_report,
    described,
    gang,
    job,
    pod,
    starting_gang,
)


class Story:
    """A job's life, with the news of each status written."""

    def __init__(self, given: GivenJob) -> None:
        self.job = given
        self.told: list[JobEvent] = []

    def goes_on(self, pods: Any = (), **seen: Any) -> list[str]:
        """The reasons told by one more pass."""
        after = described(self.job, pods, **seen)
        found = events(self.job.status, after)
        self.job, self.told = self.job.now(after), [*self.told, *found]
        return [each.reason for each in found]


def test_a_life_with_a_failure_has_its_events() -> None:
    story = Story(job())
    assert story.goes_on() == ["GangStarting"]
    assert story.goes_on(starting_gang(4)) == []
    assert story.goes_on(gang(4)) == ["GangRunning"]
    saved = [checkpoint_report(5)]
    assert story.goes_on(gang(4), checkpoints=saved) == ["CheckpointComplete"]
    assert story.goes_on(gang(4), checkpoints=saved) == []
    dead = gang(4, pod(2).failed(1))
    assert story.goes_on(dead) == []
    assert story.goes_on(dead, failed_since=at(-2)) == ["AttemptEnded", "Restarting"]
    assert story.goes_on(dead) == []
    assert story.goes_on([pod(2).failed(1)]) == ["GangStarting"]
    assert story.goes_on(gang(4, attempt=2)) == ["GangRunning"]
    done = [pod(rank, attempt=2).succeeded() for rank in range(4)]
    assert story.goes_on(done) == ["AttemptEnded", "Succeeded"]
    assert story.goes_on(done) == []
    assert [each.message for each in story.told if each.reason.startswith("Gang")] == [
        "attempt 1: creating 4 workers",
        "attempt 1: all 4 workers run",
        "attempt 2: creating 4 workers, resuming from epoch 5",
        "attempt 2: all 4 workers run, resuming from epoch 5",
    ]
    assert [each.message for each in story.told if each.reason == "AttemptEnded"] == [
        "attempt 1 was ended by rank 2 on node-2: Exit, exit code 1",
        "attempt 2 was ended: Succeeded",
    ]


def test_events_name_the_step_of_a_checkpoint() -> None:
    story = Story(job(epochs=1).running())
    story.goes_on(gang(4), checkpoints=[checkpoint_report(0, step=300)])
    story.goes_on(gang(4, pod(2).oom_killed()))
    story.goes_on([pod(2).oom_killed()])
    assert [each.message for each in story.told] == [
        "the checkpoint of epoch 0, step 300 is complete",
        "attempt 1 was ended by rank 2 on node-2: OOMKilled, exit code 137",
        "attempt 2 starts when the old workers are gone",
        "attempt 2: creating 4 workers, resuming from epoch 0, step 300",
    ]


def test_a_slow_start_has_one_event() -> None:
    story = Story(job())
    none = starting_gang(4, pod(1).unschedulable())
    some = starting_gang(4, pod(0).scheduled(-1), pod(1).unschedulable())
    told = [story.goes_on(pods) for pods in ([], none, some, none, some)]
    assert told == [["GangStarting"], ["Queued"], [], ["Queued"], []]


def test_no_event_holds_log_lines() -> None:
    story = Story(job(max_restarts=0).running())
    story.goes_on(gang(4, pod(2).failed(1, log="secret=42")), failed_since=at(-2))
    assert [each.reason for each in story.told] == ["AttemptEnded", "Failed"]
    assert story.told[1].message == (
        "more failures since the last checkpoint than spec.restartPolicy.maxRestarts allows"
    )
    assert all("secret" not in each.message for each in story.told)


def test_a_refusal_has_one_event_with_its_message() -> None:
    story = Story(job())
    refusal = Refusal("RuntimeNotFound", "there is no StargateRuntime 'x'; there are none")
    assert story.goes_on(blueprint_=refusal) == ["RuntimeNotFound"]
    assert story.goes_on(blueprint_=refusal) == []
    assert story.told == [JobEvent("Warning", refusal.reason, refusal.message)]


def test_a_quota_refusal_has_one_event() -> None:
    story = Story(job().starting())
    quota = Trouble("PodsRefused", "exceeded quota: gpus", retry_at=at(1))
    assert story.goes_on(trouble=quota) == ["PodsRefused"]
    assert story.goes_on(trouble=quota) == []


def test_a_failed_image_pull_has_one_event() -> None:
    story = Story(job().starting())
    stuck = starting_gang(4, pod(2).waiting("ErrImagePull", "no such image"))
    backing_off = starting_gang(4, pod(2).waiting("ImagePullBackOff", "no such image"))
    assert story.goes_on(stuck) == ["ContainerCannotStart"]
    assert story.goes_on(backing_off) == []


def test_suspension_and_resume_have_events() -> None:
    story = Story(job().running().but(suspend=True))
    assert story.goes_on(gang(4)) == ["AttemptEnded", "Suspended"]
    assert {each.type for each in story.told} == {"Normal"}
    assert story.goes_on([]) == []
    story.job = story.job.resumed()
    assert story.goes_on([]) == ["Resumed"]
    assert story.goes_on([]) == ["GangStarting"]


def test_giving_nodes_back_has_an_event() -> None:
    story = Story(job().starting())
    half = starting_gang(4, pod(0).scheduled(-1), pod(1).unschedulable())
    assert story.goes_on(half, older="team-b/older") == ["AttemptEnded", "Queued"]


def test_a_damaged_checkpoint_is_a_warning() -> None:
    story = Story(job().running().saved(5, 10))
    story.goes_on(gang(4), checkpoints=[checkpoint_report(10, "Damaged")])
    assert story.told == [
        JobEvent("Warning", "CheckpointDamaged", "the checkpoint of epoch 10 is damaged")
    ]
