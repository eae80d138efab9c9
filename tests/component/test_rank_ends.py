"""A rank ends when its worker's container ends, and what it has reached stays."""

import asyncio
from typing import Any

import pytest

from tests.kit.api_server.requests import Request
from tests.kit.api_server.resources import PODS, Target
from tests.kit.cluster import Cluster
from tests.kit.cluster.jobs import ending


def add_a_sidecar(request: Request, target: Target, new: dict[str, Any]) -> None:
    """As the webhook of a mesh does."""
    if target.resource is PODS and request.verb == "create" and "stargate" in request.agent:
        new["spec"]["containers"].append({"name": "mesh", "image": "mesh:1"})


@pytest.fixture
def meshed(cluster: Cluster) -> Cluster:
    cluster.server.admission.append(add_a_sidecar)
    return cluster


async def test_job_succeeds_while_sidecars_run_on(meshed: Cluster) -> None:
    job = await meshed.running()
    job.finish()
    await job.wait_phase("Succeeded")
    await job.wait_pods(lambda pods: not any(pod.live for pod in pods), "no node is held")


async def test_failed_worker_restarts_gang_despite_its_sidecar(meshed: Cluster) -> None:
    job = await meshed.running()
    job.kill(1, code=3)
    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], ending(again)["exitCode"]) == ("Exit", 3)


async def test_deleted_pod_of_succeeded_rank_restarts_nothing(cluster: Cluster) -> None:
    job = await cluster.running()
    cluster.kubelets.exit(job.rank(0).raw, 0)
    await job.wait(lambda job: job.workers["succeeded"] == 1, "one rank done")

    job.delete_pod(0)
    await asyncio.sleep(30)
    assert (job.now.phase, job.now.attempt) == ("Running", 1)

    cluster.kubelets.exit(job.rank(1).raw, 0)
    assert (await job.wait_phase("Succeeded")).restarts == 0


async def test_next_leader_knows_which_ranks_succeeded(cluster: Cluster) -> None:
    job = await cluster.running()
    leader = cluster.leader
    assert leader
    cluster.kubelets.exit(job.rank(0).raw, 0)
    await job.wait(
        lambda job: job.attempts[-1].get("succeededRanks") == "0", "rank 0 in the status"
    )

    with cluster.recorder.interrupted():
        leader.kill()
        job.delete_pod(0)
        await cluster.restarted(leader)

    cluster.kubelets.exit(job.rank(1).raw, 0)
    assert (await job.wait_phase("Succeeded")).attempt == 1


async def test_drained_worker_that_exits_0_has_not_succeeded(cluster: Cluster) -> None:
    """It saves when it is told to stop, and says that all is well."""
    cluster.kubelets.code_at_stop = lambda: 0
    job = await cluster.running(nodes=1)
    await asyncio.sleep(2)

    cluster.nodes.disrupt(job.rank(0).raw, "EvictionByEvictionAPI")
    job.delete_pod(0, grace=10)

    again = await job.wait_phase("Running", attempt=2)
    assert ending(again)["cause"] == "Evicted"


async def test_rank_that_ran_is_not_made_again_in_its_attempt(cluster: Cluster) -> None:
    """Its pod is deleted before all ranks run; its worker might run on behind a cut network."""
    cluster.kubelets.cannot_start = lambda pod: (
        "ImagePullBackOff" if pod["metadata"]["name"] == "job-1-1" else ""
    )
    await cluster.operated()
    job = cluster.apply(nodes=2)
    await job.wait_pods(lambda pods: any(pod.phase == "Running" for pod in pods), "rank 0 runs")

    job.delete_pod(0)

    again = await job.wait_phase("Running", attempt=2)
    assert (ending(again)["cause"], again.restarts) == ("Deleted", 1)


async def test_log_of_failed_rank_outlives_its_attempt(cluster: Cluster) -> None:
    """A kubelet says that the container has ended, and a second later that the pod has."""
    cluster.kubelets.confirms_after = 1.5
    job = await cluster.running()
    victim = job.rank(1)

    job.kill(1, code=3)
    await job.wait_phase("Running", attempt=2)

    assert [pod.phase for pod in job.pods(attempt=1) if pod.uid == victim.uid] == ["Failed"]


async def test_evicted_pod_that_vanishes_is_told_as_evicted(cluster: Cluster) -> None:
    """Its kubelet is gone with the node, so nobody writes that the worker has ended."""
    job = await cluster.running()
    pod = job.rank(1)

    cluster.nodes.disrupt(pod.raw, "EvictionByEvictionAPI")
    job.delete_pod(1, grace=0)

    again = await job.wait_phase("Running", attempt=2)
    assert ending(again)["cause"] == "Evicted"
    assert "rank 1" in ending(again)["message"]
