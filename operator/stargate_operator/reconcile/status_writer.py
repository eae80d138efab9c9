"""Reads a job's object from the API server, writes its status under a fence, and deletes it."""

from typing import Any

import msgspec

from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.telemetry import metrics
from stargate_types import API_VERSION, StargateJob
from stargate_types.status import StargateJobStatus


class StatusWriter:
    """Writes the status of one job for its reconciler. No other part of the operator writes it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def write(self, job: StargateJob, status: StargateJobStatus) -> StargateJob | None:
        """The job as it is after the write. None if it was changed or deleted after `job` was read."""
        body = msgspec.json.encode(_with_status(job, status))
        try:
            answer = await self._client.put(f"{_path(job)}/status", body, bytes)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
            metrics.status_conflicted()
            return None
        metrics.status_written()
        return StargateJob.model_validate_json(answer)

    async def read(self, job: StargateJob) -> StargateJob | None:
        return await self.find(job.metadata.namespace, job.metadata.name)

    async def find(self, namespace: str, name: str) -> StargateJob | None:
        try:
            return StargateJob.model_validate_json(
                await self._client.get_raw(f"{_jobs(namespace)}/{name}")
            )
        except ApiError as error:
            if error.not_found:
                return None
            raise

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
        "apiVersion": API_VERSION,
        "kind": "StargateJob",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
        "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
    }
