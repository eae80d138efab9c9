"""What the cluster last told us of Services and PodGroups: their metadata, and nothing else."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from stargate_operator import constants
from stargate_operator.informers.informer import Reflector, in_namespace
from stargate_operator.informers.job_object_store import JobObjectStore, NamespacePart
from stargate_operator.informers.pod_wire import number
from stargate_operator.kube.client import Client
from stargate_operator.kube.meta import ObjectMeta, Partial
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.gang_object import GangObject

SERVICES = "/api/v1/services"


class GangObjectStore(JobObjectStore[GangObject]):
    """The Services, or the PodGroups, of all jobs."""

    def seed(self, meta: ObjectMeta) -> None:
        """A create was just answered. The watch will tell the same a little later."""
        self.put(gang_object_of(meta))


class GangObjectInformer(Reflector[Partial]):
    """Follows the objects of one kind that carry a job's label, in one namespace or in all.

    Informers of several namespaces may share a store.
    """

    def __init__(
        self,
        client: Client,
        store: GangObjectStore,
        *,
        path: str,
        namespace: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
    ) -> None:
        self._store = store
        super().__init__(
            client,
            NamespacePart(store, namespace),
            Partial,
            path=in_namespace(path, namespace),
            clock=clock,
            jitter=jitter,
            selector=constants.LABEL_JOB_UID,
        )

    def _keep(self, wire: Partial) -> None:
        self._store.put(gang_object_of(wire.metadata))


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
