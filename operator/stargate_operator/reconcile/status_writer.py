"""Reads a job's object from the API server, writes its status under a fence, and deletes it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.telemetry import metrics
from stargate_types import API_VERSION, StargateJob
from stargate_types.status import StargateJobStatus

_KIND = {"apiVersion": API_VERSION, "kind": "StargateJob"}
_FENCE = ("name", "namespace", "uid", "resourceVersion")


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw] = []


class StatusWriter:
    """Writes the status of one job for its reconciler. No other part of the operator writes it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def write(self, job: StargateJob, status: StargateJobStatus) -> StargateJob | None:
        """The job as it is after the write. None if it was changed or deleted after `job` was read.

        Raises ApiError. A 404 that is not the API server's word about this job is one too.
        """
        body = msgspec.json.encode(_with_status(job, status))
        try:
            answer = await self._client.put(f"{_path(job)}/status", body, bytes)
        except ApiError as error:
            if not (error.conflict or error.says_gone(job.metadata.name)):
                raise
            metrics.status_conflicted()
            return None
        metrics.status_written()
        return StargateJob.model_validate_json(answer)

    async def write_raw(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Writes the status of a job that this version cannot read. False if it has changed or gone
        since."""
        meta = {key: body["metadata"][key] for key in _FENCE}
        written = {**_KIND, "metadata": meta, "status": status}
        path = f"{_jobs(meta['namespace'])}/{meta['name']}/status"
        try:
            await self._client.put(path, msgspec.json.encode(written), bytes)
        except ApiError as error:
            if not (error.conflict or error.says_gone(meta["name"])):
                raise
            return False
        return True

    async def read(self, job: StargateJob) -> StargateJob | None:
        return await self.find(job.metadata.namespace, job.metadata.name)

    async def find(self, namespace: str, name: str) -> StargateJob | None:
        """None if there is no such job.

        All pods of a job that is gone are deleted, so a 404 alone is not believed: the API server must
        name the job, and a list must not have it.
        """
        try:
            return StargateJob.model_validate_json(
                await self._client.get_raw(f"{_jobs(namespace)}/{name}")
            )
        except ApiError as error:
            if not error.says_gone(name):
                raise
        query = {"fieldSelector": f"metadata.name={name}"}
        found = await self._client.get(_jobs(namespace), _Listed, query=query)
        return StargateJob.model_validate_json(found.items[0]) if found.items else None

    async def delete(self, job: StargateJob) -> None:
        await self._client.delete(_path(job), uid=job.uid, propagation="Background")


def _jobs(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/stargatejobs"


def _path(job: StargateJob) -> str:
    return f"{_jobs(job.metadata.namespace)}/{job.metadata.name}"


def _with_status(job: StargateJob, status: StargateJobStatus) -> dict[str, Any]:
    """UID and resourceVersion are the fence: a write against anything newer is a conflict."""
    meta = job.metadata
    return {
        **_KIND,
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
        "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
    }
