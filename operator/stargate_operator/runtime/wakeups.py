"""Wakes the jobs that a change in the cluster concerns. It decides nothing about a job."""

import asyncio

from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.node_tracker import NodeTracker
from stargate_operator.model.gang_object import GangObject
from stargate_operator.model.node import Node
from stargate_operator.model.pod import Pod
from stargate_operator.placement.fleet import Fleet
from stargate_operator.reconcile.work_queue import WorkQueue

_NODE_DELAY_SECONDS = 0.1


class Wakeups:
    """The callbacks of the caches. `old` is None for a new object; `new` is None for a deleted one."""

    def __init__(
        self, *, work_queue: WorkQueue, fleet: Fleet, jobs: Jobs, node_tracker: NodeTracker
    ) -> None:
        self._work_queue = work_queue
        self._fleet = fleet
        self._jobs = jobs
        self._node_tracker = node_tracker
        self._changed_nodes: set[str] = set()

    def pod_changed(self, uid: str, old: Pod | None, new: Pod | None) -> None:
        """A pod of the job `uid`. The fleet comes first, because the job's next
        pass may ask it for room."""
        self._fleet.pod_changed(old, new)
        self._work_queue.pod_changed(uid, old, new)

    def gang_object_changed(self, uid: str, old: GangObject | None, new: GangObject | None) -> None:
        """A Service or PodGroup of the job `uid`. Only its deletion concerns the job."""
        if new is None and old is not None:
            self._work_queue.wake(uid)

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        """Many nodes fail together, and to find the jobs on them takes a look at every pod. So changes
        are collected for a moment and the pods are looked at once."""
        self._fleet.node_changed(old, new)
        changed = new or old
        if changed is None or not self._node_tracker.take(new, old):
            return
        if not self._changed_nodes:
            asyncio.get_running_loop().call_later(_NODE_DELAY_SECONDS, self._wake_jobs_on_nodes)
        self._changed_nodes.add(changed.name)

    def _wake_jobs_on_nodes(self) -> None:
        names, self._changed_nodes = self._changed_nodes, set()
        avoiding = {
            job.uid
            for job in self._jobs
            if any(node.name in names for node in job.status.avoided_nodes)
        }
        for uid in self._node_tracker.concerned(names) | avoiding:
            self._work_queue.wake(uid)
