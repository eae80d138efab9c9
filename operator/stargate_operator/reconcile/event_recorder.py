"""Records Kubernetes events for written changes, once each, in the background;
no pass waits for them."""

import asyncio
import itertools
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from stargate_operator.constants import FIELD_MANAGER
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.status.events import JobEvent
from stargate_operator.telemetry import metrics
from stargate_types import API_VERSION
from stargate_types.base import ObjectMeta

log = structlog.get_logger(__name__)

_QUEUE = 1000
_AT_ONCE = 4

_Queue = asyncio.Queue[tuple[str, bytes, JobEvent]]
_MESSAGE_LIMIT = 1024


class EventRecorder:
    """Records the events that the reconcilers hand to it. `instance` names this process in each
    event."""

    def __init__(self, client: Client, *, instance: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._queues = [_Queue(_QUEUE) for _ in range(_AT_ONCE)]
        self._numbers = itertools.count()

    def tell(self, job: ObjectMeta, event: JobEvent, *, attempt: int = 0) -> None:
        """`job` is the metadata of the job that the event is about."""
        key = f"{job.namespace}/{job.name}"
        log.info("event", job=key, attempt=attempt, reason=event.reason)
        try:
            self._queue_of(job).put_nowait((job.namespace, self._event(job, event), event))
        except asyncio.QueueFull:
            log.warning("event dropped, too many wait", job=key, reason=event.reason)

    @property
    def waiting(self) -> int:
        return sum(queue.qsize() for queue in self._queues)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(self._post(queue))

    def _queue_of(self, job: ObjectMeta) -> _Queue:
        """One job's events always use the same queue, so that they are recorded in their order."""
        return self._queues[zlib.crc32(job.uid.encode()) % _AT_ONCE]

    async def _post(self, queue: _Queue) -> None:
        while True:
            namespace, body, event = await queue.get()
            try:
                await self._client.create(f"/api/v1/namespaces/{namespace}/events", body)
                metrics.event_recorded(event.type)
            except (ApiError, NotLeading) as error:
                log.warning("event not recorded", reason=event.reason, error=str(error))

    def _event(self, job: ObjectMeta, event: JobEvent) -> bytes:
        now = self._clock().astimezone(UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{job.name}.{now.timestamp():.6f}.{next(self._numbers)}",
                "namespace": job.namespace,
            },
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": "StargateJob",
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
                "resourceVersion": job.resource_version,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:_MESSAGE_LIMIT],
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
        }
        return msgspec.json.encode(body)
