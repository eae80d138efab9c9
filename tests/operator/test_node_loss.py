"""A gang whose node falls silent moves to another node.

No controller taints nodes here, so only the pods' affinity keeps the next attempt off a lost node.
"""

import time
from dataclasses import dataclass

import pytest

from tests.kit.racks import Racks
from tests.kit.recorder.history import Json, Pod
from tests.kit.story import JobStory, Story

LOST_SECONDS = 3


@dataclass
class Cut:
    """A running gang of three. The kubelet of one rank has stopped."""

    job: JobStory
    rack: str
    victim: Pod

    @property
    def node(self) -> str:
        return self.victim.node


@pytest.fixture
def cut(story: Story, racks: Racks) -> Cut:
    rack = racks.build(nodes=3)
    job = story.apply(nodes=3, acceleratorType=rack)
    job.wait_phase("Running")
    victim = job.rank(1)
    job.abandon(victim)
    return Cut(job, rack, victim)


def ending(job: JobStory, attempt: int = 1) -> Json:
    found = job.wait(lambda job: job.attempt == attempt + 1, f"attempt {attempt + 1}")
    return next(each for each in found.attempts if each["number"] == attempt)


def avoided(pod: Pod) -> list[str]:
    affinity = pod.raw["spec"].get("affinity")
    if not affinity:
        return []
    how = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    [term] = how["nodeSelectorTerms"]
    return [name for field in term["matchFields"] for name in field["values"]]


def test_silent_node_is_lost_avoided_and_later_forgotten(cut: Cut, racks: Racks) -> None:
    job, victim = cut.job, cut.victim
    racks.add(cut.rack, 1)
    stale_rank = job.worker(victim.rank)
    assert stale_rank.report(step=1).status == 200
    racks.says(cut.node, "Unknown")
    silent_at = time.time()

    ended = ending(job)

    assert time.time() - silent_at >= LOST_SECONDS - 0.5
    assert job.story.recorder.acted_seconds(silent_at) < LOST_SECONDS + 3
    assert (ended["cause"], ended["rank"], ended["node"]) == ("NodeLost", victim.rank, cut.node)
    again = job.wait_phase("Running", attempt=2)
    assert stale_rank.report(step=2).body["reason"] == "StaleAttempt", (
        "the report of the lost rank was accepted"
    )
    assert cut.node not in {pod.node for pod in job.pods()}
    assert not any(avoided(pod) for pod in job.pods(2)), "its taint keeps pods away"
    assert [each["name"] for each in again.status["avoidedNodes"]] == [cut.node]
    assert (again.restarts, again.status.get("failuresSinceCheckpoint", 0)) == (1, 0)

    racks.says(cut.node, "True")
    time.sleep(9)
    job.kill(0, 1)

    later = job.wait(lambda job: job.attempt == 3 and job.phase == "Starting", "attempt 3")
    assert not later.status.get("avoidedNodes")
    job.wait_pods(lambda pods: [p for p in pods if p.attempt == 3], "pods of attempt 3")
    assert not any(avoided(pod) for pod in job.pods(3))
