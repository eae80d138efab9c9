"""A plan that runs: the cluster with its operators, the jobs in it, and what was done to them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.requests import Request
from tests.kit.api_server.resources import JOBS, NODES, PODS, SERVICES, Key, Target
from tests.kit.api_server.store import Commit
from tests.kit.cluster import Cluster, JobStory
from tests.kit.cluster.jobs import USER, manifest
from tests.kit.cluster.kubelets import Speeds
from tests.kit.cluster.replica import Replica
from tests.kit.cluster.workers import Trainer, Training
from tests.kit.recorder.history import Job, Pod
from tests.simulation.plan import JobPlan, Plan

Json = dict[str, Any]

_CHANCE_OF_SKEW = 0.3
"""That the clocks of the nodes differ, on which the operators run."""
_SKEWS = (-60.0, -5.0, 0.0, 5.0, 60.0)
_EXITS_AT_STOP = (143, 143, 137, 0)
"""Exit codes of a worker that is told to stop. Some save in time and exit with 0."""


def _add_a_sidecar(request: Request, target: Target, new: Json) -> None:
    if target.resource is PODS and request.verb == "create" and "stargate" in request.agent:
        new["spec"]["containers"].append({"name": "mesh", "image": "mesh:1"})


@dataclass
class World:
    """`undo` has what takes back the faults that last."""

    plan: Plan
    cluster: Cluster
    trainer: Trainer
    usual_speeds: Speeds
    """Those of the kubelets, to which they return from whatever made them slow."""
    jobs: list[JobStory] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """Found while the world runs."""
    undo: list[Callable[[], object]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    lines: list[tuple[float, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    clocks_differ: bool = False
    bad_nodes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Ready nodes on which no worker comes to run: `rejects` or `cannot start`, and the reason."""
    waits_since: dict[tuple[str, int], float] = field(default_factory=dict)
    """Since when an attempt waits for a node that it avoids."""
    unready_since: dict[str, float] = field(default_factory=dict)
    """When each node was first not ready, or gone."""
    removed: list[str] = field(default_factory=list)
    _tasks: set["asyncio.Task[Any]"] = field(default_factory=set)

    @classmethod
    def of(cls, plan: Plan) -> "World":
        cluster = Cluster(plan.seed, nodes=plan.nodes)
        dice = Random(plan.seed)
        cluster.kubelets.code_at_stop = lambda: dice.choice(_EXITS_AT_STOP)
        cluster.kubelets.confirms_after = dice.choice((0.0, 1.5))
        if plan.sidecars:
            cluster.server.admission.append(_add_a_sidecar)
        training = Training(plan.epoch_seconds, save_seconds=plan.save_seconds)
        speeds = replace(cluster.kubelets.speeds)
        world = cls(plan, cluster, Trainer(cluster, training), speeds)
        cluster.kubelets.rejects = partial(world.fault_of_the_node, "rejects")
        cluster.kubelets.cannot_start = partial(world.fault_of_the_node, "cannot start")
        cluster.server.store.listen(world.note_node)
        world.set_clocks(Random(f"clocks of {plan.seed}"))
        return world

    def set_clocks(self, dice: Random) -> None:
        """In some worlds the clocks of the operators differ until the calm. The dice are not those of
        the plan, so that its other choices stay as they are."""
        cluster = self.cluster
        if dice.random() >= _CHANCE_OF_SKEW:
            return
        cluster.skew_of_replica = lambda: dice.choice(_SKEWS)
        self.clocks_differ = True

        def undo() -> None:
            cluster.skew_of_replica = lambda: 0.0
            for replica in cluster.replicas:
                replica.skew = 0.0

        self.undo.append(undo)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self.cluster.server.elapsed

    def note(self, what: str, details: str = "") -> None:
        self.happened[what] += 1
        self.lines.append((self.seconds, f"{what}: {details}" if details else what))

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        self.cluster.loop.call_later(seconds, call, context=Context())

    def for_a_while(self, seconds: float, undo: Callable[[], object]) -> None:
        """A fault is taken back after so long, and at the latest when the calm begins."""
        self.later(seconds, undo)
        self.undo.append(undo)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Something that takes a while, beside whatever else happens."""
        task = self.cluster.loop.create_task(coroutine, name=name, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def apply(self, job: JobPlan) -> JobStory | None:
        """None: an object of that name is still there."""
        body = manifest(job.name, job.ranks, epochs=job.epochs, **job.spec)
        server, namespace = self.cluster.server, self.cluster.namespace
        try:
            created = server.create(JOBS, body, agent=USER, namespace=namespace)
        except Refused:
            return None
        story = JobStory(self.cluster, job.name, created["metadata"]["uid"])
        self.jobs.append(story)
        self.note("a job was applied", f"{job.name}, {job.ranks} ranks")
        return story

    def job(self, story: JobStory) -> Job | None:
        """As the API server has it; None if it is gone."""
        return self.cluster.recorder.state.job(story.uid)

    @property
    def living(self) -> list[JobStory]:
        return [story for story in self.jobs if self.job(story) is not None]

    def pods(self, which: Callable[[Pod], bool]) -> list[Pod]:
        """Those of all jobs, in one order for every run."""
        found = [pod for pod in self.cluster.recorder.state.pods if pod.owner and which(pod)]
        return sorted(found, key=lambda pod: (pod.name, pod.uid))

    @property
    def replicas(self) -> list[Replica]:
        """Those whose process runs."""
        return [replica for replica in self.cluster.replicas if replica.runs]

    def delete_orphans(self) -> None:
        """As a person does who reads that a job waits for their names."""
        server = self.cluster.server
        for resource in (PODS, SERVICES):
            for found in server.all(resource, self.cluster.namespace):
                if not found["metadata"].get("ownerReferences"):
                    key = Key(resource, self.cluster.namespace, found["metadata"]["name"])
                    server.delete(key, agent=USER, gracePeriodSeconds=0)

    def fault_of_the_node(self, kind: str, pod: Json) -> str:
        found, reason = self.bad_nodes.get(pod["spec"].get("nodeName", ""), ("", ""))
        return reason if found == kind else ""

    def heal_node(self, node: str) -> None:
        if self.bad_nodes.pop(node, None) is not None and self.cluster.nodes.alive(node):
            self.cluster.kubelets.look_around(node)

    def note_node(self, commit: Commit) -> None:
        if commit.key.resource is not NODES:
            return
        conditions = (commit.now.object.get("status") or {}).get("conditions") or []
        ready = any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
        if commit.change == "DELETED" or (conditions and not ready):
            self.unready_since.setdefault(commit.key.name, self.cluster.server.seconds)

    def is_ready(self, node: str) -> bool:
        found = self.cluster.server.get(NODES, node) or {"spec": {}}
        return self.cluster.nodes.alive(node) and not found["spec"].get("unschedulable")

    def lost(self, node: str) -> None:
        self.silent.append(node)

    def return_node(self, node: str) -> None:
        if node in self.silent:
            self.silent.remove(node)
            self.cluster.nodes.return_(node)

    def add_node_again(self, node: str) -> None:
        if node in self.removed:
            self.removed.remove(node)
            self.cluster.add_node(node)
