"""Problems that only the cluster can know become conditions. The job goes on when they are solved."""

import asyncio
from typing import Any

from tests.kit.api_server.resources import PODS, RUNTIMES, SERVICES, Key
from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.cluster import RUNTIME
from tests.kit.cluster.jobs import condition
from tests.kit.recorder.history import Job

PROMPT = 10.0
"""Seconds within which the condition must show the problem."""


async def told(job: JobStory, kind: str, words: str, seconds: float) -> str:
    """The message of the condition, once it has these words."""

    def stands(now: Job) -> bool:
        return words in condition(now, kind).get("message", "")

    found = await job.wait(stands, f"condition {kind} with {words!r}", seconds)
    return str(condition(found, kind)["message"])


async def test_job_waits_for_missing_class_and_names_it(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(acceleratorType="quantum")
    found = await job.wait_condition("Accepted", "False", "AcceleratorClassNotFound", PROMPT)
    assert "'quantum'" in found["message"]
    assert "stargate_silicon_v2" in found["message"]
    assert job.now.phase == "Pending"
    await cluster.rests()
    cluster.add_class("quantum")
    cluster.add_nodes(2, "quantum")
    assert condition(await job.wait_phase("Running"), "Accepted")["status"] == "True"


async def test_job_waits_for_missing_runtime_and_names_it(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(runtime="bespoke")
    found = await job.wait_condition("Accepted", "False", "RuntimeNotFound", PROMPT)
    assert "spec.runtime" in found["message"]
    assert "'bespoke'" in found["message"]
    cluster.add_runtime("bespoke", **{**RUNTIME, "isDefault": False, "image": "bespoke:1"})
    await job.wait_phase("Running")
    assert job.pods()[0].raw["spec"]["containers"][0]["image"] == "bespoke:1"


async def test_job_is_not_accepted_with_two_default_runtimes(cluster: Cluster) -> None:
    cluster.add_runtime("other-default", **RUNTIME)
    await cluster.operated()
    job = cluster.apply()
    found = await job.wait_condition("Accepted", "False", "RuntimeAmbiguous", PROMPT)
    assert "default, other-default" in found["message"]
    cluster.server.delete(Key(RUNTIMES, "", "other-default"), agent="admin")
    await job.wait_phase("Running")


async def test_forbidden_service_account_is_named_in_condition(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(template={"serviceAccountName": "admin"})
    found = await job.wait_condition("Accepted", "False", "ServiceAccountNotAllowed", PROMPT)
    assert "spec.template.serviceAccountName" in found["message"]
    assert "'admin'" in found["message"]


async def test_quota_refusal_becomes_condition_and_retries_slow_down(cluster: Cluster) -> None:
    quota = cluster.quota(pods=1)
    await cluster.operated()
    job = cluster.apply(nodes=3)
    found = await job.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    assert "exceeded quota: quota" in found["message"]
    assert job.now.phase == "Starting"
    before = len(cluster.recorder.requests())
    await asyncio.sleep(120)
    requests = cluster.recorder.requests()[before:]
    tries = [each for each in requests if (each.verb, each.resource) == ("create", "pods")]
    assert 4 <= len(tries) <= 24, "rounds of at most three tries, with growing pauses"
    assert len(job.events("PodsRefused")) == 1
    quota.pods = 3
    await job.wait_phase("Running")


async def test_job_over_quota_does_not_block_another_job(cluster: Cluster) -> None:
    cluster.quota(pods=2)
    await cluster.operated()
    blocked = cluster.apply("blocked", nodes=3)
    await blocked.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    blocked.delete()
    await blocked.wait_gone()
    await cluster.apply("modest", nodes=2).wait_phase("Running")


async def test_job_blocked_by_quota_is_suspended_and_deleted(cluster: Cluster) -> None:
    cluster.quota(pods=1)
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    job.suspend()
    await job.wait_condition("Suspended", "True", "Suspended")
    job.delete()
    await job.wait_gone(seconds=15)


async def test_image_pull_failure_is_named_in_condition(cluster: Cluster) -> None:
    cluster.kubelets.cannot_start = lambda pod: (
        "ImagePullBackOff" if pod["metadata"]["name"].endswith("-1") else ""
    )
    await cluster.operated()
    job = cluster.apply()
    found = await job.wait_condition("Ready", "False", "ContainerCannotStart", PROMPT)
    assert "rank 1 (pod job-1-1 on node-" in found["message"]
    assert "): ImagePullBackOff: " in found["message"]
    assert job.now.phase == "Starting"
    cluster.kubelets.cannot_start = lambda _: ""
    cluster.kubelets.start(job.rank(1).raw)
    assert condition(await job.wait_phase("Running"), "Ready")["status"] == "True"


async def test_missing_command_is_named_in_failure(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(restartPolicy={"maxRestarts": 0})
    await job.wait_phase("Running")
    words = 'exec: "trian.py": executable file not found in $PATH'
    job.kill(1, 128, reason="StartError", message=words)
    failed = await job.wait_phase("Failed")
    assert failed.attempts[0]["cause"] == "CannotStart"
    assert words in condition(failed, "Failed")["message"]


async def test_gang_waits_while_foreign_pod_holds_its_name(cluster: Cluster) -> None:
    squatter = {"metadata": {"name": "job-1-0"}, "spec": {"containers": [{"image": "i"}]}}
    cluster.server.create(PODS, squatter, agent="researcher", namespace=cluster.namespace)
    await cluster.operated()
    job = cluster.apply()
    found = await job.wait_condition("Scheduled", "False", "NameTaken", PROMPT)
    assert "there is a pod job-1-0 already" in found["message"]
    key = Key(PODS, cluster.namespace, "job-1-0")
    cluster.server.delete(key, agent="researcher", gracePeriodSeconds=0)
    assert (await job.wait_phase("Running")).attempt == 1


async def test_gang_waits_while_foreign_service_holds_its_name(cluster: Cluster) -> None:
    service = {"metadata": {"name": "job"}, "spec": {"ports": [{"port": 80}]}}
    cluster.server.create(SERVICES, service, agent="researcher", namespace=cluster.namespace)
    await cluster.operated()
    job = cluster.apply()
    found = await job.wait_condition("Scheduled", "False", "NameTaken", PROMPT)
    assert "there is a Service job already" in found["message"]
    assert not job.pods(), "a pod was created before its Service"
    cluster.server.delete(Key(SERVICES, cluster.namespace, "job"), agent="researcher")
    await job.wait_phase("Running")


async def test_stuck_container_is_named_and_gang_gives_back(cluster: Cluster) -> None:
    """A volume or a network is missing on one node: the kubelet says ContainerCreating, and no more."""
    await cluster.operated()
    broken: list[str] = []

    def creating(pod: dict[str, Any]) -> str:
        broken[:] = broken or [pod["spec"]["nodeName"]]
        return "ContainerCreating" if pod["spec"]["nodeName"] in broken else ""

    cluster.kubelets.cannot_start = creating
    job = cluster.apply(nodes=3, scheduling={"startTimeoutSeconds": 60})

    message = await told(job, "Ready", "kubelet gives no reason", seconds=40)
    assert broken[0] in message

    again = await job.wait_phase("Running", attempt=2)
    assert (again.attempts[0]["cause"], again.restarts) == ("StartTimeout", 0)
    assert [each["name"] for each in again.status["avoidedNodes"]] == broken
    assert broken[0] not in {pod.node for pod in job.pods(2)}


async def test_unkillable_pod_is_named_while_job_waits(cluster: Cluster) -> None:
    job = await cluster.running()
    stuck = job.rank(1)
    cluster.kubelets.unkillable = lambda pod: pod["metadata"]["name"] == stuck.name
    job.kill(0, 1)

    message = await told(job, "Scheduled", f"pod {stuck.name} ", seconds=30)
    assert stuck.node in message
    assert "--force" in message
    await asyncio.sleep(3600)
    assert job.now.phase == "Restarting", "no rank may start beside a worker that may run"

    cluster.delete_pod(stuck, grace=0)
    await job.wait_phase("Running", attempt=2)


async def test_long_grace_of_an_eviction_holds_nothing_back(cluster: Cluster) -> None:
    cluster.kubelets.speeds.stop = lambda: 3600.0
    job = await cluster.running(template={"terminationGracePeriodSeconds": 3600})
    began = cluster.loop.time()
    cluster.nodes.disrupt(job.rank(1).raw, "EvictionByEvictionAPI")
    job.delete_pod(1, grace=3600)
    job.kill(0, 1)

    await job.wait_phase("Running", attempt=2)

    assert cluster.loop.time() - began < 30


async def test_unreadable_job_says_so_and_recovers(cluster: Cluster) -> None:
    """As after a rollback of the operator: the schema allows what this version does not know."""
    await cluster.operated()
    cluster.quota(pods=0)
    job = cluster.apply(rendezvous={"hostnames": "Some"})

    found = await job.wait_condition("Accepted", "False", "Unreadable", PROMPT)
    assert "spec.rendezvous.hostnames" in found["message"]
    await cluster.rests()
    [event] = job.events("Unreadable")
    assert "spec.rendezvous.hostnames" in event["message"]

    job.patch(rendezvous={"hostnames": "All"})
    await job.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    assert condition(job.now, "Accepted")["status"] == "True"


async def test_gang_of_a_job_that_becomes_unreadable_runs_on(cluster: Cluster) -> None:
    job = await cluster.running()
    pods = {pod.uid for pod in job.pods()}
    job.patch(restartPolicy={"maxRestarts": "many"})
    await job.wait_condition("Accepted", "False", "Unreadable", PROMPT)
    await asyncio.sleep(60)
    assert ({pod.uid for pod in job.pods()}, job.now.phase) == (pods, "Running")

    job.patch(restartPolicy={"maxRestarts": 3})
    job.finish()
    await job.wait_phase("Succeeded")


async def test_unreadable_runtime_is_named_and_not_used(cluster: Cluster) -> None:
    await cluster.operated()
    cluster.add_runtime("odd", **{**RUNTIME, "isDefault": False, "podSecurity": "Novel"})
    job = cluster.apply(runtime="odd")
    await told(job, "Accepted", "'odd' cannot be read: spec.podSecurity: ", seconds=PROMPT)
    assert job.now.phase == "Pending"

    cluster.server.patch(
        Key(RUNTIMES, "", "odd"), {"spec": {"podSecurity": "Restricted"}}, agent="admin"
    )
    await job.wait_phase("Running")
