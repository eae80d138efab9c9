"""A whole cluster in memory: API server, nodes, controllers, and the operator's replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from random import Random
from typing import Any

from stargate_operator.constants import LABEL_LEADER
from tests.kit.api_server import answers
from tests.kit.api_server.answers import Refused
from tests.kit.api_server.requests import Request
from tests.kit.api_server.resources import (
    BLOCKS,
    CLASSES,
    JOBS,
    NODES,
    PODS,
    RUNTIMES,
    Key,
    Target,
)
from tests.kit.api_server.server import ApiServer
from tests.kit.cluster.garbage_collector import GarbageCollector
from tests.kit.cluster.jobs import PATIENCE, USER, JobStory, manifest
from tests.kit.cluster.kubelets import OBEDIENT, Kubelets, Speeds
from tests.kit.cluster.nodes import Nodes, pod_key
from tests.kit.cluster.recorder import Recorder
from tests.kit.cluster.replica import OPERATOR_NAMESPACE, Replica
from tests.kit.cluster.scheduler import Scheduler
from tests.kit.recorder.history import Pod, State
from tests.kit.virtual_time import running_loop

Json = dict[str, Any]

ADMIN = "admin"
NAMESPACE = "team-a"
ACCELERATOR = "stargate_silicon_v2"

_SETTLED = 5.0
"""Seconds after a change in which the operator may still update the counts in the status."""

RUNTIME: Json = {
    "isDefault": True,
    "image": "trainer:1",
    "checkpoint": {"uriPrefix": "s3://bucket/checkpoints"},
}


class Cluster:
    """`seed` decides all random values, such as latencies. Nothing happens before the loop runs."""

    def __init__(self, seed: int = 0, *, nodes: int = 8, **settings: Any) -> None:
        self.namespace = NAMESPACE
        self.dice = Random(seed)
        self.loop = running_loop()
        self.server = ApiServer(self.dice)
        self.recorder = Recorder(self.server, NAMESPACE)
        self.nodes = Nodes(self.server)
        self.scheduler = Scheduler(self.server, latency=self._between(0.001, 0.005))
        self.kubelets = Kubelets(
            self.server,
            self.nodes,
            speeds=Speeds(start=self._between(0.2, 0.6), stop=self._between(0.05, OBEDIENT)),
        )
        self.garbage_collector = GarbageCollector(self.server, latency=self._between(0.1, 0.5))
        self.replicas: list[Replica] = []
        self.skew_of_replica: Callable[[], float] = lambda: 0.0
        """Seconds by which the clock of the next replica is ahead."""
        self._settings = settings
        self.add_class(ACCELERATOR)
        self.add_runtime("default", **RUNTIME)
        self.server.create(BLOCKS, {"metadata": {"name": "cluster"}, "spec": {}}, agent=ADMIN)
        self.add_nodes(nodes)

    def add_nodes(self, number: int, accelerator: str = ACCELERATOR, **labels: str) -> list[str]:
        have = len(self.server.all(NODES))
        names = [f"node-{have + index}" for index in range(number)]
        for name in names:
            self.nodes.add(name, accelerator=accelerator, labels=labels)
        return names

    def add_node(self, name: str, accelerator: str = ACCELERATOR) -> None:
        """One of that name again, after it was removed. Its kubelet finds the pods bound to it."""
        self.nodes.add(name, accelerator=accelerator, labels={})
        self.nodes.return_(name)

    def add_class(self, accelerator: str) -> None:
        spec = {
            "acceleratorType": accelerator,
            "resourceName": f"stargate.dev/{accelerator}",
            "nodeSelector": {"stargate.dev/accelerator": accelerator},
        }
        name = accelerator.replace("_", "-")
        self.server.create(CLASSES, {"metadata": {"name": name}, "spec": spec}, agent=ADMIN)

    def add_runtime(self, name: str, **spec: Any) -> None:
        self.server.create(RUNTIMES, {"metadata": {"name": name}, "spec": spec}, agent=ADMIN)

    def replica(self, **settings: Any) -> Replica:
        """Start another replica. It leads if no other replica does."""
        name = f"operator-{len(self.replicas)}"
        self.server.create(PODS, _operator_pod(name), agent=ADMIN, namespace=OPERATOR_NAMESPACE)
        replica = Replica(
            self.server,
            name,
            dice=self.dice,
            latency=self._between(0.001, 0.004),
            settings={**self._settings, **settings},
        )
        replica.skew = self.skew_of_replica()
        self.replicas.append(replica)
        replica.start()
        return replica

    async def operated(self, **settings: Any) -> Replica:
        """Start a replica and wait until it leads."""
        replica = self.replica(**settings)
        await self.until(lambda: replica.leads, f"{replica.name} to lead")
        return replica

    @property
    def leader(self) -> Replica | None:
        return next((replica for replica in self.replicas if replica.leads), None)

    @property
    def reports_reach(self) -> Replica | None:
        """The endpoint of the report Service: the replica whose pod has the label of the leader."""
        for replica in self.replicas:
            pod = self.server.get(PODS, replica.name, OPERATOR_NAMESPACE) or {"metadata": {}}
            if (pod["metadata"].get("labels") or {}).get(LABEL_LEADER) == "true":
                return replica
        return None

    def apply(self, name: str = "job", nodes: int = 2, **spec: Any) -> JobStory:
        body = manifest(name, nodes, **spec)
        created = self.server.create(JOBS, body, agent=USER, namespace=NAMESPACE)
        return JobStory(self, name, created["metadata"]["uid"])

    async def running(self, nodes: int = 2, **spec: Any) -> JobStory:
        """A job whose ranks all run, and an operator that leads."""
        await self.operated()
        job = self.apply(nodes=nodes, **spec)
        await job.wait_phase("Running")
        return job

    async def wait(
        self, condition: Callable[[State], Any], expected: str, seconds: float = PATIENCE
    ) -> Any:
        return await self.recorder.wait(condition, expected, seconds)

    async def until(
        self, condition: Callable[[], Any], expected: str, seconds: float = PATIENCE
    ) -> None:
        """Wait for a condition that the objects in the API server do not show."""
        due = self.loop.time() + seconds
        while not condition():
            assert self.loop.time() < due, f"waited {seconds:g} s for {expected}"
            await asyncio.sleep(0.05)

    async def rests(self, seconds: float = 300.0) -> None:
        """Assert that no operator writes to the jobs' namespace, after some seconds to settle."""
        await asyncio.sleep(_SETTLED)
        written = await self.writes_in(seconds)
        assert not written, f"{written} writes although nothing happened\n{self.recorder.story()}"

    async def writes_in(self, seconds: float) -> int:
        """The number of the operators' writes to the jobs' namespace in the next `seconds`."""
        before = self._writes()
        await asyncio.sleep(seconds)
        return self._writes() - before

    def delete_pod(self, pod: Pod, grace: int) -> None:
        """Delete the pod as a user would."""
        self.server.delete(pod_key(pod.raw), agent=USER, gracePeriodSeconds=grace)

    def quota(self, pods: int) -> Quota:
        quota = Quota(self.server, pods)
        self.server.admission.append(quota.admit)
        return quota

    async def restarted(self, replica: Replica) -> Replica:
        """Kill the replica and wait until a new one leads."""
        replica.kill()
        self.forget_pod_of(replica)
        return await self.operated()

    def crash(self, replica: Replica, *, back_after: float = 1.0) -> None:
        """Kill the replica now, and start a new one after `back_after` seconds."""
        replica.kill()
        self.forget_pod_of(replica)
        self.loop.call_later(back_after, self.replica, context=Context())

    def pods(self) -> list[Json]:
        return self.server.all(PODS, NAMESPACE)

    async def close(self) -> None:
        """End the replicas and assert that the invariants held."""
        for replica in self.replicas:
            if replica.runs:
                replica.kill()
                await replica.ended()
        self.recorder.assert_held()

    def _writes(self) -> int:
        requests = self.recorder.requests()
        return sum(each.writes and each.namespace == self.namespace for each in requests)

    def _between(self, low: float, high: float) -> Callable[[], float]:
        return partial(self.dice.uniform, low, high)

    def forget_pod_of(self, replica: Replica) -> None:
        """Delete the pod of the killed process."""
        with suppress(Refused):
            key = Key(PODS, OPERATOR_NAMESPACE, replica.name)
            self.server.delete(key, agent=ADMIN)


class Quota:
    """A quota for pods in the jobs' namespace. Tests may change `pods` at any time."""

    def __init__(self, server: ApiServer, pods: int) -> None:
        self.pods = pods
        self._server = server

    def admit(self, request: Request, target: Target, new: Json) -> None:
        if (request.verb, target.resource, target.namespace) != ("create", PODS, NAMESPACE):
            return
        used = len(self._server.all(PODS, NAMESPACE))
        if used >= self.pods:
            name = new["metadata"]["name"]
            raise answers.forbidden(
                f'pods "{name}" is forbidden: exceeded quota: quota, requested: pods=1, used:'
                f" pods={used}, limited: pods={self.pods}"
            )


def _operator_pod(name: str) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [], "schedulingGates": [{"name": "no"}]},
    }
