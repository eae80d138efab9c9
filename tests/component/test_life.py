"""A job's life without faults, and its cost in requests to the API server."""

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from tests.kit.api_server.resources import CLASSES, Key
from tests.kit.cluster import Cluster

CLASS = Key(CLASSES, "", "stargate-silicon-v2")


async def test_whole_gang_starts_runs_and_succeeds(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply(nodes=3)
    await job.wait_phase("Running")
    job.finish()
    done = await job.wait_phase("Succeeded")
    assert job.phases == ["Starting", "Running", "Succeeded"]
    assert done.workers["succeeded"] == 3
    assert (done.attempt, done.restarts) == (1, 0)
    assert done.attempts[0]["cause"] == "Succeeded"
    assert done.status["startTime"] <= done.status["completionTime"]
    await cluster.rests()


async def test_gang_costs_one_write_per_pod(cluster: Cluster) -> None:
    cluster.add_nodes(12)
    await cluster.operated()
    job = cluster.apply(nodes=20)
    await job.wait_phase("Running")
    counts = Counter((each.verb, each.resource) for each in cluster.recorder.requests())
    assert counts["create", "pods"] == 20
    assert counts["create", "services"] == 1
    assert not counts["delete", "pods"]
    assert counts["update", "stargatejobs/status"] <= 5


async def test_running_job_costs_no_writes(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    await cluster.rests()


async def test_events_appear_once_and_hold_no_log_lines(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    job.kill(1, 1, message="loss is NaN in layer 7")
    await job.wait_phase("Running", attempt=2)
    job.finish()
    await job.wait_phase("Succeeded")
    await cluster.until(lambda: job.events("Succeeded"), "the event Succeeded")
    events = [(event["reason"], event["message"]) for event in job.events()]
    assert [reason for reason, _ in events] == [
        "GangStarting",
        "GangRunning",
        "AttemptEnded",
        "Restarting",
        "GangStarting",
        "GangRunning",
        "AttemptEnded",
        "Succeeded",
    ]
    assert len(set(events)) == len(events)
    assert "NaN" not in str(events)
    assert "loss is NaN in layer 7" in job.now.attempts[0]["message"]


async def test_class_change_does_not_affect_running_gang(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    running = await job.wait_phase("Running")
    cluster.server.patch(CLASS, {"spec": {"nodeSelector": {"no": "node"}}}, agent="admin")
    await asyncio.sleep(60)
    cluster.server.delete(CLASS, agent="admin")
    await asyncio.sleep(60)
    assert job.now.status == running.status


async def test_restart_uses_changed_class(cluster: Cluster) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    tolerations = {"spec": {"tolerations": [{"key": "late"}]}}
    cluster.server.patch(CLASS, tolerations, agent="admin")
    await asyncio.sleep(1)
    job.oom_kill(1)
    again = await job.wait_phase("Running", attempt=2)
    first, second = (each["class"] for each in again.attempts)
    assert first != second
    for pod in job.pods():
        assert "late" in {each.get("key") for each in pod.raw["spec"]["tolerations"]}


async def test_job_log_lines_carry_name_and_attempt(
    cluster: Cluster, log: list[MutableMapping[str, Any]]
) -> None:
    await cluster.operated()
    job = cluster.apply()
    await job.wait_phase("Running")
    job.oom_kill(0)
    await job.wait_phase("Running", attempt=2)
    lines = [line for line in log if cluster.namespace in str(line)]
    assert {line.get("job") for line in lines} == {f"{cluster.namespace}/{job.name}"}
    assert {line.get("attempt") for line in lines} == {1, 2}


async def test_fifty_concurrent_jobs_all_succeed(cluster: Cluster) -> None:
    cluster.add_nodes(92)
    await cluster.operated()
    jobs = [cluster.apply(f"job-{number}") for number in range(50)]
    for job in jobs:
        await job.wait_phase("Running")
    for job in jobs:
        assert (await job.worker().saves(100)).status == 200
        job.finish()
    for job in jobs:
        done = await job.wait_phase("Succeeded")
        assert (done.attempt, done.restarts) == (1, 0)
        assert done.status["progress"]["percent"] == 100.0
