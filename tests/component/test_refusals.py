"""A refused request is tried again after pauses that grow, and a condition says so."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from tests.kit.api_server.faults import LOST, denied, from_a_proxy, quota_conflict
from tests.kit.api_server.resources import SERVICES
from tests.kit.cluster import Cluster
from tests.kit.recorder.history import Request


def deletes(cluster: Cluster) -> list[Request]:
    requests = cluster.recorder.requests()
    return [asked for asked in requests if (asked.verb, asked.resource) == ("delete", "pods")]


async def test_refused_deletes_slow_down_and_become_condition(cluster: Cluster) -> None:
    job = await cluster.running(nodes=8)
    rule = cluster.server.strike(
        denied(), verb="delete", resource="pods", where=lambda asked: "stargate" in asked.agent
    )
    job.oom_kill(0)
    found = await job.wait_condition("Scheduled", "False", "PodDeletionRefused", seconds=10)
    assert 'webhook "policy" denied' in found["message"]
    assert "job-1-" in found["message"]

    before = len(deletes(cluster))
    await asyncio.sleep(60)
    assert len(deletes(cluster)) - before <= 60

    cluster.server.faults.remove(rule)
    await job.wait_phase("Running", attempt=2)
    assert len(job.events("PodDeletionRefused")) == 1


async def test_undeletable_service_holds_no_pod_back(cluster: Cluster) -> None:
    job = await cluster.running(nodes=2)
    cluster.garbage_collector.stop()
    cluster.server.strike(denied(), verb="delete", resource="services")

    job.delete()

    await job.wait_pods(lambda pods: not pods, "no pod is left", seconds=15)
    cluster.server.faults.clear()
    await job.wait_gone()


async def test_quota_conflict_is_no_refusal(cluster: Cluster) -> None:
    await cluster.operated()
    cluster.server.strike(quota_conflict(), verb="create", resource="pods", times=12)

    job = cluster.apply(nodes=8)

    await job.wait_phase("Running", seconds=5)
    assert job.events("PodsRefused") == []


async def test_proxy_s_404_on_a_status_write_deletes_no_pod(cluster: Cluster) -> None:
    """Only the API server's own word counts, and a list must agree with it."""
    job = await cluster.running(nodes=2)
    cluster.server.strike(from_a_proxy(), verb="update", resource="stargatejobs/status", times=3)
    cluster.server.strike(from_a_proxy(), verb="get", resource="stargatejobs", times=3)

    job.oom_kill(0)

    again = await job.wait_phase("Running", attempt=2)
    assert again.restarts == 1


async def test_proxy_s_404_on_a_delete_is_tried_again(cluster: Cluster) -> None:
    job = await cluster.running(nodes=4)
    cluster.server.strike(from_a_proxy(), verb="delete", resource="pods", times=2)
    cluster.server.strike(LOST, verb="delete", resource="pods", times=1)

    job.oom_kill(0)

    await job.wait_phase("Running", attempt=2, seconds=30)


def service_of_an_earlier_attempt(cluster: Cluster, uid: str) -> None:
    owner = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "name": "job",
        "uid": uid,
    }
    labels = {"stargate.dev/job-uid": uid, "stargate.dev/job-name": "job"}
    references = [{**owner, "controller": True}]
    meta = {"name": "job-old", "labels": labels, "ownerReferences": references}
    body = {"metadata": meta, "spec": {}}
    cluster.server.create(SERVICES, body, agent="older operator", namespace=cluster.namespace)


async def test_undeletable_old_object_fails_no_pass(
    cluster: Cluster, log: list[MutableMapping[str, Any]]
) -> None:
    job = await cluster.running()
    cluster.server.strike(denied(), verb="delete", resource="services")
    service_of_an_earlier_attempt(cluster, job.uid)

    job.kill(0, 1)
    await job.wait_phase("Running", attempt=2)
    await asyncio.sleep(120)

    requests = cluster.recorder.requests()
    tries = [asked for asked in requests if (asked.verb, asked.resource) == ("delete", "services")]
    assert 3 < len(tries) < 20
    assert [line for line in log if line["event"] == "pass failed"] == []
