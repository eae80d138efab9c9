"""Gangs on a node that falls silent, is deleted, or is not ready for a moment."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import ending
from tests.kit.cluster.nodes import NOTICED_SECONDS
from tests.kit.recorder.history import Pod

LOST_SECONDS = 30.0


@dataclass
class Cut:
    """A running gang of three, and the rank whose node will be lost."""

    job: JobStory
    victim: Pod

    @property
    def node(self) -> str:
        return self.victim.node


@pytest.fixture
async def cut(cluster: Cluster) -> Cut:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    return Cut(job, job.rank(1))


def avoided(pod: Pod) -> list[str]:
    affinity = pod.raw["spec"].get("affinity")
    if not affinity:
        return []
    how = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    [term] = how["nodeSelectorTerms"]
    return [name for field in term["matchFields"] for name in field["values"]]


async def test_silent_node_is_lost_avoided_and_later_forgotten(cluster: Cluster, cut: Cut) -> None:
    job, victim = cut.job, cut.victim
    straggler = job.worker(victim.rank)
    assert (await straggler.report(step=1)).status == 200
    cluster.nodes.fall_silent(cut.node)
    began = cluster.loop.time()
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    took = cluster.loop.time() - began
    assert took == pytest.approx(NOTICED_SECONDS + LOST_SECONDS, abs=2)
    assert (ended["cause"], ended["rank"], ended["node"]) == ("NodeLost", victim.rank, cut.node)
    again = await job.wait_phase("Running", attempt=2)
    answer = await straggler.report(step=2)
    assert answer.body["reason"] == "StaleAttempt", "a worker on the lost node was accepted"
    assert cut.node not in {pod.node for pod in job.pods()}
    assert not any(avoided(pod) for pod in job.pods(2)), "its taint keeps pods away"
    assert [each["name"] for each in again.status["avoidedNodes"]] == [cut.node]
    assert (again.restarts, again.status.get("failuresSinceCheckpoint", 0)) == (1, 0)

    cluster.nodes.return_(cut.node)
    await asyncio.sleep(700)
    job.kill(0, 1)
    later = await job.wait_phase("Running", attempt=3)
    assert not later.status.get("avoidedNodes")
    assert not any(avoided(pod) for pod in job.pods(3))


async def test_lost_node_that_is_ready_again_is_avoided(cluster: Cluster, cut: Cut) -> None:
    cluster.nodes.fall_silent(cut.node)
    await cut.job.wait_phase("Running", attempt=2)
    cluster.nodes.return_(cut.node)
    await asyncio.sleep(10)

    cut.job.kill(0, 1)

    await cut.job.wait_phase("Running", attempt=3)
    assert {name for pod in cut.job.pods(3) for name in avoided(pod)} == {cut.node}
    assert cut.node not in {pod.node for pod in cut.job.pods(3)}


async def test_pods_do_not_name_a_node_that_is_gone(cluster: Cluster, cut: Cut) -> None:
    """An autoscaler must be free to start another one for them."""
    cluster.nodes.remove(cut.node)
    again = await cut.job.wait_phase("Running", attempt=2)
    assert [each["name"] for each in again.status["avoidedNodes"]] == [cut.node]
    assert not any(avoided(pod) for pod in cut.job.pods(2))


async def test_node_that_returns_in_time_changes_nothing(cluster: Cluster, cut: Cut) -> None:
    before = {pod.uid for pod in cut.job.pods()}
    for _ in range(3):
        cluster.nodes.fall_silent(cut.node)
        await asyncio.sleep(NOTICED_SECONDS + LOST_SECONDS - 2)
        cluster.nodes.return_(cut.node)
        await asyncio.sleep(LOST_SECONDS - 2)
    assert (cut.job.now.phase, cut.job.now.attempt) == ("Running", 1)
    assert {pod.uid for pod in cut.job.pods()} == before


async def test_deleted_node_counts_as_lost(cluster: Cluster, cut: Cut) -> None:
    cluster.nodes.remove(cut.node)
    again = await cut.job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["node"]) == ("NodeLost", cut.node)


async def test_stuck_pod_of_suspended_job_is_given_up(cluster: Cluster, cut: Cut) -> None:
    job, victim = cut.job, cut.victim
    cluster.nodes.fall_silent(cut.node)
    job.suspend()
    await job.wait_pods(lambda pods: {pod.uid for pod in pods} == {victim.uid}, "the stuck one")
    await asyncio.sleep(NOTICED_SECONDS - 10)
    assert [pod.uid for pod in job.pods()] == [victim.uid], "deleted while its node was ready"
    await job.wait_pods(lambda pods: not pods, "no pod left")
    await job.wait_condition("Suspended", "True", "Suspended")
    [attempt] = job.now.attempts
    assert attempt["cause"] == "Suspended"
    assert f"rank {victim.rank} was given up with a lost node ({cut.node})" in attempt["message"]


async def test_job_on_lost_node_can_be_deleted(cluster: Cluster, cut: Cut) -> None:
    cluster.nodes.fall_silent(cut.node)
    await asyncio.sleep(NOTICED_SECONDS)
    cut.job.delete()
    await cut.job.wait_gone(seconds=LOST_SECONDS + 10)


async def test_peer_failure_is_attributed_to_lost_node(cluster: Cluster, cut: Cut) -> None:
    """The other ranks notice the loss of their peer long before the control plane does."""
    job, victim = cut.job, cut.victim
    cluster.nodes.fall_silent(cut.node)
    job.kill(0, 1, message="connection timed out")
    ended = await job.wait(lambda job: job.attempt == 2, "attempt 2")
    assert ended.status["failuresSinceCheckpoint"] == 1
    again = await job.wait_phase("Running", attempt=2)
    first = again.attempts[0]
    assert (first["cause"], first["rank"], first["node"]) == ("NodeLost", victim.rank, cut.node)
    assert "connection timed out" in first["message"]
    assert again.status.get("failuresSinceCheckpoint", 0) == 0


async def test_kubelet_of_not_ready_node_stops_its_pods(cluster: Cluster, cut: Cut) -> None:
    job, victim = cut.job, cut.victim
    cluster.nodes.say_not_ready(cut.node)
    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["rank"]) == ("NodeLost", 1)
    writes = [write for write in cluster.recorder.writes if write.uid == victim.uid]
    graces = [each.object["metadata"].get("deletionGracePeriodSeconds") for each in writes]
    assert 2 in graces
    assert victim.node not in {pod.node for pod in job.pods()}


async def test_waiting_gang_gets_its_lost_node_back(cluster: Cluster) -> None:
    job, node = await gang_on_every_node(cluster)
    cluster.nodes.fall_silent(node)
    await job.wait(lambda job: job.attempt == 2 and job.workers["created"] == 8, "attempt 2")
    await asyncio.sleep(60)
    assert job.now.workers["scheduled"] == 7
    cluster.nodes.return_(node)
    await job.wait_phase("Running", attempt=2)


async def test_gang_takes_avoided_node_back_if_needed(cluster: Cluster) -> None:
    job, node = await gang_on_every_node(cluster)
    cluster.nodes.fall_silent(node)
    await job.wait(lambda job: job.attempt == 2 and job.workers["created"] == 8, "attempt 2")
    cluster.nodes.return_(node)
    await job.wait_phase("Running", attempt=2)

    job.kill(0, 1)

    again = await job.wait_phase("Running", attempt=4)
    assert [each["cause"] for each in again.attempts[:3]] == ["NodeLost", "Exit", "NodeReturned"]
    assert again.restarts == 2


async def gang_on_every_node(cluster: Cluster) -> tuple[JobStory, str]:
    """A gang that runs on all nodes, and the name of one of them."""
    await cluster.operated()
    job = cluster.apply(nodes=8)
    await job.wait_phase("Running")
    return job, job.rank(1).node


async def test_no_node_is_lost_while_most_are_silent(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=8)
    await job.wait_phase("Running")
    nodes = [pod.node for pod in job.pods()]
    for node in nodes[:5]:
        cluster.nodes.fall_silent(node)
    await asyncio.sleep(NOTICED_SECONDS + 2 * LOST_SECONDS)
    assert job.now.attempt == 1, "a node was lost although the operator itself may be cut off"
    assert "like most of the cluster" in str(job.now.status["conditions"])
    for node in nodes[:4]:
        cluster.nodes.return_(node)
    lost = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert (lost["cause"], lost["node"]) == ("NodeLost", nodes[4])


async def test_new_operator_restarts_node_lost_timer(cluster: Cluster) -> None:
    operator = await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    victim = job.rank(2)
    cluster.nodes.fall_silent(victim.node)
    await asyncio.sleep(NOTICED_SECONDS + LOST_SECONDS - 5)
    began = cluster.loop.time()
    with cluster.recorder.interrupted():
        await cluster.restarted(operator)
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert cluster.loop.time() - began > LOST_SECONDS
    assert (ended["cause"], ended["node"]) == ("NodeLost", victim.node)
