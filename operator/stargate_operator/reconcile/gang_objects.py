"""Creates and deletes the objects that a gang needs beside its pods: a headless Service and, if the
cluster serves the kind, a PodGroup.

The operator watches the metadata of both, so that one deleted by hand is made again.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
import structlog

from stargate_operator.constants import LABEL_JOB_UID, Reasons
from stargate_operator.desired.gang_objects import Manifest, pod_group, pod_group_name, service
from stargate_operator.informers.job_object_store import Place
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.meta import ObjectMeta, Partial
from stargate_operator.model.gang_object import GangObject
from stargate_types import StargateJob

log = structlog.get_logger(__name__)

SERVICE: Final = "Service"
POD_GROUP: Final = "PodGroup"


class Metas(Protocol):
    """The watched metadata of one kind."""

    def of_job(self, job_uid: str) -> Mapping[Place, GangObject]: ...

    def seed(self, meta: ObjectMeta) -> None: ...


class GangObjects:
    """The reconciler asks it for missing objects in each pass, and lets it create them before the pods.

    `group_version` is the API version of PodGroup, None if the cluster does not serve it.
    """

    def __init__(
        self,
        client: Client,
        *,
        services: Metas,
        pod_groups: Metas | None,
        group_version: str | None,
    ) -> None:
        self._client = client
        self._watched = {
            SERVICE: services,
            **({POD_GROUP: pod_groups} if pod_groups is not None else {}),
        }
        self._group_version = group_version

    @property
    def native_gangs(self) -> bool:
        return POD_GROUP in self._watched

    def missing(self, job: StargateJob) -> tuple[str, ...]:
        return tuple(kind for kind in self._watched if not self._has(kind, job))

    async def create(self, kind: str, job: StargateJob) -> None:
        body = msgspec.json.encode(self._manifest(kind, job))
        path = self._path(kind, job.metadata.namespace)
        try:
            self._watched[kind].seed(await self._client.create(path, body))
        except ApiError as error:
            if not error.already_exists:
                raise
            await self._exists(kind, job)

    async def delete(self, job_uid: str) -> None:
        """Deletes all of them, for a job that is gone."""
        for kind in self._watched:
            for meta in list(self._of(kind, job_uid).values()):
                await self._delete(kind, meta, job_uid)

    async def prune(self, job: StargateJob) -> None:
        """Deletes the PodGroups of earlier attempts."""
        for kind in self._watched:
            for meta in list(self._of(kind, job.uid).values()):
                if meta.name != _name(kind, job):
                    await self._delete(kind, meta, job.uid)

    async def _delete(self, kind: str, meta: GangObject, job_uid: str) -> None:
        if meta.owner_uid == job_uid and not meta.deleting:
            path = f"{self._path(kind, meta.namespace)}/{meta.name}"
            await self._client.delete(path, uid=meta.uid)

    async def _exists(self, kind: str, job: StargateJob) -> None:
        path = f"{self._path(kind, job.metadata.namespace)}/{_name(kind, job)}"
        found = (await self._client.get(path, Partial)).metadata
        if found.controller_uid == job.uid and found.deletion_timestamp is None:
            return self._watched[kind].seed(found)
        raise NameTaken(kind, found)

    def _has(self, kind: str, job: StargateJob) -> bool:
        return (job.metadata.namespace, _name(kind, job)) in self._of(kind, job.uid)

    def _of(self, kind: str, job_uid: str) -> Mapping[Place, GangObject]:
        return self._watched[kind].of_job(job_uid)

    def _manifest(self, kind: str, job: StargateJob) -> Manifest:
        if kind == SERVICE:
            return service(job)
        assert self._group_version is not None
        return pod_group(job, attempt=job.status.attempt, api_version=self._group_version)

    def _path(self, kind: str, namespace: str) -> str:
        if kind == SERVICE:
            return f"/api/v1/namespaces/{namespace}/services"
        return f"/apis/{self._group_version}/namespaces/{namespace}/podgroups"


class NameTaken(Exception):  # noqa: N818 - reads as what it is where it is caught
    """Another object has the name of the gang's object."""

    def __init__(self, kind: str, found: ObjectMeta) -> None:
        ours = LABEL_JOB_UID in (found.labels or {})
        self.reason = Reasons.WAITING_FOR_OLD_GANG if ours else Reasons.NAME_TAKEN
        self.message = (
            f"waiting until the {kind} {found.name} of an earlier job of this name is gone"
            if ours
            else f"there is a {kind} {found.name} already; delete it or rename the job"
        )
        super().__init__(self.message)


def _name(kind: str, job: StargateJob) -> str:
    return job.metadata.name if kind == SERVICE else pod_group_name(job, job.status.attempt)
