"""Silence that is not the workers': of an operator that was away, of a cluster that is cut off."""

import time

from tests.faults.lab import PATIENT
from tests.kit.racks import Racks
from tests.kit.story import JobStory, Story
from tests.kit.worker import reporting


def test_an_operator_that_was_away_takes_no_silence_for_a_hang(story: Story, racks: Racks) -> None:
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
    assert "last epoch known is 3" in again.attempts[0]["message"]


def test_a_gang_that_hung_while_nobody_looked_is_found_without_a_claim_who_was_first(
    story: Story, racks: Racks
) -> None:
    job = story.apply(
        nodes=2, acceleratorType=racks.build(nodes=2), hang={"reportTimeoutSeconds": 3}
    )
    job.wait_phase("Running")
    with story.recorder.interrupted():
        story.operator.kill()
        story.operator.start()

    hung = job.wait(lambda job: job.attempt == 2, "attempt 2").attempts[0]

    assert hung["cause"] == "Hang"
    assert "when the operator began to listen" in hung["message"]
    assert "rank" not in hung


def test_while_most_nodes_are_silent_none_is_given_up(story: Story, racks: Racks) -> None:
    rack = racks.build(nodes=3)
    job = story.apply(nodes=3, acceleratorType=rack, hang={"reportTimeoutSeconds": 2})
    job.wait_phase("Running")
    nodes = [pod.node for pod in job.pods()]
    for node in nodes[:2]:
        racks.says(node, "Unknown")
    told = job.wait_condition("Ready", "True", "AllRanksRunning")
    time.sleep(6)
    assert job.now.attempt == 1, "neither lost nor hung: it may be we who are cut off"
    assert "like most of the cluster" in str(job.now.status["conditions"]), told

    racks.says(nodes[0], "True")

    lost = job.wait(lambda job: job.attempt == 2, "attempt 2").attempts[0]
    assert (lost["cause"], lost["node"]) == ("NodeLost", nodes[1])


def test_a_new_operator_gives_a_silent_node_its_whole_time_and_then_gives_it_up(
    story: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=3)
    job = story.apply(nodes=3, acceleratorType=rack)
    job.wait_phase("Running")
    racks.add(rack, 1)
    victim = job.rank(2)
    job.abandon(victim)
    with story.recorder.interrupted():
        story.operator.kill()
        racks.says(victim.node, "Unknown")
        time.sleep(4)
        came_back = time.time()
        story.operator.start()

    again = job.wait_phase("Running", attempt=2)

    assert given_up_at(job) - came_back > float(PATIENT["STARGATE_NODE_LOST_SECONDS"])
    assert (again.attempts[0]["cause"], again.attempts[0]["node"]) == ("NodeLost", victim.node)
    assert victim.node not in {pod.node for pod in job.pods()}


def given_up_at(job: JobStory) -> float:
    """When its second attempt was written."""
    writes = job.story.recorder.writes()
    return next(w.at for w in writes if w.uid == job.uid and w.job and w.job.attempt == 2)
