"""Two operators: one leads and writes, the other is a standby that can take over.

The leader is killed, paused, cut off or stopped. Each time the standby leads within the lease duration,
the API server handles no more writes of the old leader, and acknowledged checkpoints are kept.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.kit.api_server.resources import LEASES, Key
from tests.kit.cluster import Cluster, Replica
from tests.kit.cluster.jobs import ending
from tests.kit.cluster.replica import OPERATOR_NAMESPACE
from tests.kit.cluster.workers import reporting
from tests.kit.recorder.history import Request

LEASE, RETRY = 15.0, 2.0
TAKEN_OVER = LEASE + 2 * RETRY


@dataclass(frozen=True)
class Fault:
    name: str
    strike: Callable[[Replica], None]
    revive: Callable[[Replica], None] = lambda _: None
    within: float = TAKEN_OVER

    def __str__(self) -> str:
        return self.name


FAULTS = [
    Fault("killed", Replica.kill),
    Fault("stands-still", Replica.pause, Replica.go_on),
    Fault("cut-off", Replica.cut_off, Replica.reconnect),
    Fault("told-to-stop", Replica.tell_to_stop, within=2 * RETRY),
]


async def pair(cluster: Cluster) -> tuple[Replica, Replica]:
    """The leader and a standby."""
    leader = await cluster.operated()
    standby = cluster.replica()
    await asyncio.sleep(5)
    return leader, standby


async def taken_over(cluster: Cluster, fault: Fault, leader: Replica, standby: Replica) -> None:
    with cluster.recorder.interrupted():
        fault.strike(leader)
        await cluster.until(lambda: standby.leads, "the standby to lead", fault.within)


async def assert_one_writer(
    cluster: Cluster, fault: Fault, leader: Replica, standby: Replica
) -> None:
    """The old leader comes back and exits. None of its writes is handled after the takeover."""
    taken = next(each.began for each in writes(cluster, standby) if each.resource != "leases")
    fault.revive(leader)
    await cluster.until(lambda: not leader.runs, "the old leader to end")
    late = [each for each in writes(cluster, leader) if each.ended > taken]
    assert not late
    assert standby.leads


def writes(cluster: Cluster, replica: Replica) -> list[Request]:
    requests = cluster.recorder.requests()
    sent = [request for request in requests if request.agent == replica.name]
    return [request for request in sent if request.writes and request.code < 300]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_gangs_survive_leader_loss_during_start_and_restart(
    cluster: Cluster, fault: Fault
) -> None:
    cluster.add_nodes(12)
    leader, standby = await pair(cluster)
    going = cluster.apply("going", nodes=8)
    await going.wait_phase("Running")
    assert (await going.worker().insists(5)).status == 200
    going.oom_kill(7)
    await going.wait_pods(lambda pods: any(pod.deleting for pod in pods), "the teardown")
    coming = cluster.apply("coming", nodes=10)
    await coming.wait_pods(lambda pods: len(pods) >= 3, "the creation")
    await taken_over(cluster, fault, leader, standby)
    again = await going.wait_phase("Running", attempt=2)
    assert (again.restarts, again.attempts[1]["restoredEpoch"]) == (1, 5)
    assert (await coming.wait_phase("Running")).attempt == 1
    await assert_one_writer(cluster, fault, leader, standby)
    for job in (going, coming):
        job.finish()
        await job.wait_phase("Succeeded")


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_silence_during_takeover_is_not_a_hang(cluster: Cluster, fault: Fault) -> None:
    leader, standby = await pair(cluster)
    job = cluster.apply(hang={"reportTimeoutSeconds": 20})
    await job.wait_phase("Running")
    async with reporting(job.worker(0), job.worker(1), epoch=1):
        await asyncio.sleep(30)
        await taken_over(cluster, fault, leader, standby)
        await asyncio.sleep(60)
        assert job.now.attempt == 1
    ended = ending(await job.wait(lambda job: job.attempt == 2, "attempt 2"))
    assert ended["cause"] == "Hang"


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_reports_reach_new_leader(cluster: Cluster, fault: Fault) -> None:
    leader, standby = await pair(cluster)
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    assert (await job.worker().insists(5)).status == 200
    assert cluster.reports_reach is leader
    await taken_over(cluster, fault, leader, standby)
    assert (await job.worker().insists(10)).status == 200
    assert cluster.reports_reach is standby
    assert [each["epoch"] for each in job.now.checkpoints] == [10, 5]
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    assert again.restored_from
    assert again.restored_from["epoch"] == 10


@pytest.mark.parametrize("skews", [(0.0, -3600.0), (3600.0, 0.0), (0.0, 3600.0)], ids=str)
async def test_steps_are_kept_by_leaders_with_any_clock(
    cluster: Cluster, skews: tuple[float, float]
) -> None:
    leader, standby = await pair(cluster)
    leader.skew, standby.skew = skews
    job = cluster.apply(epochs=1, checkpointIntervalEpochs=1, checkpoint={"retain": 2})
    await job.wait_phase("Running")
    for step in (100, 200, 300):
        assert (await job.worker().insists(0, step=step)).status == 200
    await taken_over(cluster, FAULTS[0], leader, standby)
    for step in (400, 500):
        assert (await job.worker().insists(0, step=step)).status == 200
        assert [each["step"] for each in job.now.checkpoints] == [step, step - 100]
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    assert again.restored_from
    assert again.restored_from["step"] == 500


async def test_paused_leader_drops_its_queued_writes(cluster: Cluster) -> None:
    """The client limits the writes in flight. The rest are due when the lease has long expired."""
    cluster.add_nodes(72)
    leader, standby = await pair(cluster)
    jobs = [cluster.apply(name, nodes=40) for name in ("one", "other")]
    await jobs[0].wait_pods(lambda pods: len(pods) >= 3, "the creation")
    assert leader.operator.client.limiter.waiting > 0
    stands_still = FAULTS[1]
    await taken_over(cluster, stands_still, leader, standby)
    await assert_one_writer(cluster, stands_still, leader, standby)
    for job in jobs:
        assert (await job.wait_phase("Running")).attempt == 1


async def test_standby_with_stale_cache_acts_on_current_state(cluster: Cluster) -> None:
    """The standby has seen the failure, but not the leader's reaction to it."""
    leader, standby = await pair(cluster)
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    behind = [each for each in cluster.server.watches if each.agent.endswith(standby.name)]
    assert len(behind) >= 8
    job.oom_kill(1)
    await asyncio.sleep(0.006)
    for watch in behind:
        watch.hold()
    await job.wait_phase("Running", attempt=2)
    with cluster.recorder.interrupted():
        leader.kill()
        await cluster.until(lambda: standby.leads, "the standby to lead", TAKEN_OVER)
        await asyncio.sleep(5)
        for watch in behind:
            watch.release()
    await cluster.rests(60)
    assert (job.now.attempt, job.now.restarts, job.now.phase) == (2, 1, "Running")


async def test_standby_writes_nothing(cluster: Cluster) -> None:
    _, standby = await pair(cluster)
    job = cluster.apply()
    await job.wait_phase("Running")
    job.oom_kill(1)
    await job.wait_phase("Running", attempt=2)
    assert not writes(cluster, standby)


async def test_leader_ends_when_its_lease_is_deleted(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    cluster.server.delete(Key(LEASES, OPERATOR_NAMESPACE, "stargate-operator"), agent="admin")
    await cluster.until(lambda: not leader.runs, "the old leader to end", 5)
    await cluster.until(lambda: standby.leads, "the standby to lead", 2 * RETRY)
    assert leader.exit_status == 1


async def test_stopped_leader_releases_lease(cluster: Cluster) -> None:
    leader, _ = await pair(cluster)
    leader.tell_to_stop()
    await leader.ended()
    assert leader.exit_status == 0
    lease = cluster.server.get(LEASES, "stargate-operator", OPERATOR_NAMESPACE)
    assert lease
    assert lease["spec"]["holderIdentity"] == ""


async def test_leader_keeps_lease_when_wall_clock_changes(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    job = cluster.apply(hang={"reportTimeoutSeconds": 30})
    await job.wait_phase("Running")
    async with reporting(job.worker(0), job.worker(1), epoch=1):
        for skew in (3600.0, -3600.0, 0.0):
            leader.skew = skew
            await asyncio.sleep(60)
    assert (job.now.phase, job.now.attempt) == ("Running", 1)
    assert leader.leads
    assert not standby.leads


async def test_leader_stays_ready_while_listing_pod_groups(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server never answers the list. The report Service must keep the leader as its endpoint."""

    async def found(client: object, **_: object) -> str:
        del client
        return "scheduling.k8s.io/v1"

    monkeypatch.setattr("stargate_operator.runtime.replica.find_group_version", found)
    replica = cluster.replica(native_gangs="auto")
    operator = replica.operator

    await cluster.until(lambda: operator.pod_groups is not None, "pod groups to be followed")
    await asyncio.sleep(5)

    assert not all(informer.synced.is_set() for informer in operator.informers)
    assert operator.not_ready() is None
