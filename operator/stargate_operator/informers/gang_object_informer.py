"""Follows Services and PodGroups: their metadata, and nothing else."""

from __future__ import annotations

import sys

from stargate_operator import constants
from stargate_operator.informers.informer import JobObjectInformer
from stargate_operator.informers.job_object_store import JobObjectStore
from stargate_operator.informers.pod_wire import number
from stargate_operator.kube.meta import ObjectMeta, Partial
from stargate_operator.model.gang_object import GangObject

SERVICES = "/api/v1/services"


class GangObjectStore(JobObjectStore[GangObject]):
    """The Services, or the PodGroups, of all jobs."""

    def seed(self, meta: ObjectMeta) -> None:
        """Takes the answer to a create. The watch shows the object a little later."""
        self.put(gang_object_of(meta))


class GangObjectInformer(JobObjectInformer[Partial, GangObject]):
    """Follows the Services, or the PodGroups, of all jobs."""

    wire = Partial

    def _item_of(self, wire: Partial) -> GangObject:
        return gang_object_of(wire.metadata)


def gang_object_of(meta: ObjectMeta) -> GangObject:
    """The metadata of a Service or PodGroup as the rest of the operator sees it."""
    return GangObject(
        name=meta.name,
        namespace=sys.intern(meta.namespace),
        uid=meta.uid,
        resource_version=number(meta.resource_version),
        job_uid=sys.intern((meta.labels or {}).get(constants.LABEL_JOB_UID, "")),
        owner_uid=sys.intern(meta.controller_uid),
        deleting=meta.deletion_timestamp is not None,
    )
