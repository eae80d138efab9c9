"""What becomes of a gang when a node falls silent, vanishes, or only blinks.

No controller taints nodes here, so only the job's own affinity keeps the next attempt off a lost one.
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
    """A gang of three that runs; the kubelet of one rank does nothing any more."""

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
    return [name for each in term["matchFields"] for name in each["values"]]


def test_a_silent_node_is_given_up_and_avoided_and_later_forgotten(cut: Cut, racks: Racks) -> None:
    job, victim = cut.job, cut.victim
    racks.add(cut.rack, 1)
    straggler = job.worker(victim.rank)
    assert straggler.report(step=1).status == 200
    racks.says(cut.node, "Unknown")
    silent_at = time.time()

    ended = ending(job)

    assert time.time() - silent_at >= LOST_SECONDS - 0.5
    assert job.story.recorder.acted_seconds(silent_at) < LOST_SECONDS + 3
    assert (ended["cause"], ended["rank"], ended["node"]) == ("NodeLost", victim.rank, cut.node)
    again = job.wait_phase("Running", attempt=2)
    assert straggler.report(step=2).body["reason"] == "StaleAttempt", "it runs on behind the cut"
    assert cut.node not in {pod.node for pod in job.pods()}
    assert {name for pod in job.pods() for name in avoided(pod)} == {cut.node}
    assert [each["name"] for each in again.status["avoidedNodes"]] == [cut.node]
    assert (again.restarts, again.status.get("failuresSinceCheckpoint", 0)) == (1, 0)

    racks.says(cut.node, "True")
    time.sleep(9)
    job.kill(0, 1)

    later = job.wait(lambda job: job.attempt == 3 and job.phase == "Starting", "attempt 3")
    assert not later.status.get("avoidedNodes")
    job.wait_pods(lambda pods: [p for p in pods if p.attempt == 3], "pods of attempt 3")
    assert not any(avoided(pod) for pod in job.pods(3))


def test_a_node_that_comes_back_in_time_changes_nothing(cut: Cut, racks: Racks) -> None:
    before = {pod.uid for pod in cut.job.pods()}
    for status in ("Unknown", "False"):
        racks.says(cut.node, status)
        time.sleep(LOST_SECONDS - 1.5)
        racks.says(cut.node, "True")
        time.sleep(LOST_SECONDS - 1)

    now = cut.job.now
    assert (now.phase, now.attempt) == ("Running", 1)
    assert {pod.uid for pod in cut.job.pods()} == before


def test_a_node_that_vanishes_is_lost_too(cut: Cut, racks: Racks) -> None:
    racks.add(cut.rack, 1)
    racks.remove(cut.node)

    ended = ending(cut.job)

    assert (ended["cause"], ended["node"]) == ("NodeLost", cut.node)
    cut.job.wait_phase("Running", attempt=2)


def test_a_pod_that_is_stuck_when_its_job_is_suspended_is_given_up_and_said_so(
    cut: Cut, racks: Racks
) -> None:
    job, victim = cut.job, cut.victim
    job.suspend()
    job.wait_pods(lambda pods: {pod.uid for pod in pods} == {victim.uid}, "only the stuck one left")
    time.sleep(3)
    assert job.now.phase == "Suspended"
    assert [pod.uid for pod in job.pods()] == [victim.uid], "its node is ready, so it is waited for"

    racks.says(cut.node, "Unknown")

    job.wait_pods(lambda pods: not pods, "no pod left")
    told = job.wait_condition("Suspended", "True")
    assert told["reason"] == "Suspended"
    [attempt] = job.now.attempts
    assert attempt["cause"] == "Suspended"
    assert f"rank {victim.rank} was given up with a lost node ({cut.node})" in attempt["message"]


def test_a_job_on_a_lost_node_can_be_deleted(cut: Cut, racks: Racks) -> None:
    racks.says(cut.node, "Unknown")
    cut.job.delete()
    cut.job.wait_gone(seconds=20)


def test_the_failure_of_the_others_turns_out_to_be_the_node_s(cut: Cut, racks: Racks) -> None:
    """They notice that their peer is gone long before the control plane does."""
    job, victim = cut.job, cut.victim
    racks.add(cut.rack, 1)
    survivor = next(pod for pod in job.pods() if pod.node != cut.node)
    job.exits(survivor, 1, message="connection timed out")
    job.wait(lambda job: job.attempt == 2, "attempt 2")
    assert job.now.status["failuresSinceCheckpoint"] == 1

    racks.says(cut.node, "Unknown")

    again = job.wait_phase("Running", attempt=2)
    first = again.attempts[0]
    assert (first["cause"], first["rank"], first["node"]) == ("NodeLost", victim.rank, cut.node)
    assert "connection timed out" in first["message"]
    assert again.status.get("failuresSinceCheckpoint", 0) == 0


def test_a_kubelet_that_still_speaks_ends_its_pods_itself(story: Story, racks: Racks) -> None:
    rack = racks.build(nodes=3)
    job = story.apply(nodes=2, acceleratorType=rack)
    job.wait_phase("Running")
    victim = job.rank(1)
    racks.says(victim.node, "False")

    ended = ending(job)

    assert (ended["cause"], ended["rank"]) == ("NodeLost", 1)
    job.wait_phase("Running", attempt=2)
    writes = [write for write in story.recorder.writes() if write.uid == victim.uid]
    graces = [w.object["metadata"].get("deletionGracePeriodSeconds") for w in writes]
    assert 2 in graces
    assert victim.node not in {pod.node for pod in job.pods()}


def test_a_gang_that_needs_the_node_takes_it_back_when_it_is_ready_again(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=2)
    job = story.apply(nodes=2, acceleratorType=rack)
    job.wait_phase("Running")
    victim = job.rank(1)
    racks.says(victim.node, "Unknown")
    job.wait(lambda job: job.attempt == 2 and job.workers.get("created") == 2, "attempt 2 is made")

    racks.says(victim.node, "True")

    again = job.wait_phase("Running", attempt=3, seconds=40)
    assert [each["cause"] for each in again.attempts[:2]] == ["NodeLost", "NodeReturned"]
    assert again.restarts == 1
