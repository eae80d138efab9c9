"""Deletes the pods and the other objects of a job that is deleted or being deleted.

The garbage collector would do it too, at 20 deletes a second by default, and does it if no
operator runs. Only objects with the job's UID as their controller are deleted, so
`--cascade=orphan` leaves the pods.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from stargate_operator.decide.effects import deletion_of
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.node_tracker import NodeTracker
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.model.pod import Pod
from stargate_operator.reconcile.gang_objects import GangObjects
from stargate_operator.reconcile.memory import Refusals
from stargate_operator.reconcile.pod_control import PodControl
from stargate_operator.reconcile.status_writer import StatusWriter
from stargate_types import StargateJob

_LOOK_AGAIN = timedelta(seconds=5)
_ORPHAN_FINALIZER = "orphan"


class JobDeletion:
    """Deletes what is left of one job. The reconciler calls `go_on` until nothing is left."""

    def __init__(
        self,
        uid: str,
        *,
        jobs: Jobs,
        pods: PodStore,
        gang_objects: GangObjects,
        pod_control: PodControl,
        status_writer: StatusWriter,
        node_tracker: NodeTracker,
        refusals: Refusals,
        clock: Callable[[], datetime],
    ) -> None:
        self._uid = uid
        self._jobs = jobs
        self._pods = pods
        self._gang_objects = gang_objects
        self._pod_control = pod_control
        self._status_writer = status_writer
        self._node_tracker = node_tracker
        self._refusals = refusals
        self._clock = clock
        self._orphaned = False
        self._confirmed = False

    async def go_on(self, job: StargateJob | None) -> datetime | None:
        """Returns when to look again, or None if nothing is left to delete. `job` is as it was
        last seen."""
        await self._pod_control.stop_creating()
        if job is None and not self._confirmed:
            return await self._confirm()
        self._orphaned |= job is not None and _ORPHAN_FINALIZER in job.metadata.finalizers
        if self._orphaned:
            return None
        left, now = self._left(), self._clock()
        refused = self._refusals.trouble
        if refused is not None and now < refused.retry_at:
            return refused.retry_at
        node_health = self._node_tracker.about(left, avoided=())
        self._pod_control.delete(deletion_of(left, grace=None, node_health=node_health, now=now))
        # After the pods: they hold nodes, and must not wait for an object that cannot be deleted.
        await self._gang_objects.delete(self._uid)
        return now + _LOOK_AGAIN if left else None

    async def _confirm(self) -> datetime | None:
        """For pods of a job that this process never saw: it was deleted while no operator ran, or is not
        listed yet."""
        strays = {(pod.namespace, pod.job_name) for pod in self._left()}
        if not strays:
            return None
        # There is more than one if somebody has forged pods of this job in another namespace.
        for namespace, name in strays:
            found = await self._status_writer.find(namespace, name)
            if found is not None and found.uid == self._uid:
                self._jobs.put(found)
        self._confirmed = True
        return self._clock()

    def _left(self) -> list[Pod]:
        return [pod for pod in self._pods.of_job(self._uid).values() if pod.owner_uid == self._uid]
