"""The informers of the objects that belong to jobs: the general one, and the one of worker pods."""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic

from stargate_operator import constants
from stargate_operator.informers.job_object_store import Item, JobObjectStore, NamespacePart
from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.informers.reflector import Reflector, W, in_namespace
from stargate_operator.kube.client import Client
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.pod import Pod

PODS = "/api/v1/pods"


class JobObjectInformer(Reflector[W], Generic[W, Item]):
    """Follows the objects of one kind that carry a job's label, in one namespace or in all.

    `path` is where the objects of all namespaces are. Informers of several namespaces may share a store.
    """

    wire: ClassVar[type[Any]]
    """The objects are decoded as this type."""

    def __init__(
        self,
        client: Client,
        store: JobObjectStore[Item],
        *,
        path: str,
        namespace: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
    ) -> None:
        self._store: JobObjectStore[Item] = store
        super().__init__(
            client,
            NamespacePart(store, namespace),
            self.wire,
            path=in_namespace(path, namespace),
            clock=clock,
            jitter=jitter,
            selector=constants.LABEL_JOB_UID,
        )

    @abstractmethod
    def _item_of(self, wire: W) -> Item:
        """The object in the form that the store keeps."""

    def _keep(self, wire: W) -> None:
        self._store.put(self._item_of(wire))


class Informer(JobObjectInformer[WirePod, Pod]):
    """Follows the worker pods."""

    wire = WirePod

    def _item_of(self, wire: WirePod) -> Pod:
        return pod_of(wire)
