"""Keeps the blocks' statuses true: writes a block whose numbers have changed, at most every `seconds`.

Thousands of pods that start cause one write every few seconds. Without a change there is no write.
It runs only while this process leads, and never touches a block whose accounting is External.

See docs/decisions/0031-a-block-is-written-at-most-every-ten-seconds.md.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from stargate_operator.informers.catalog import Catalog
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.placement.fleet import Fleet
from stargate_operator.telemetry import metrics
from stargate_types import API_VERSION, AcceleratorClass, ComputeBlock, ComputeBlockStatus
from stargate_types.block import AcceleratorCapacity

log = structlog.get_logger(__name__)

_MAX_TYPES = 64


class ComputeBlockWriter:
    """Writes what is free into the status of each ComputeBlock, every `seconds`."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        fleet: Fleet,
        *,
        seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._catalog = catalog
        self._fleet = fleet
        self._seconds = seconds
        self._clock = clock
        self._counted: object = None

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Counts again if anything has changed since the last time. A failed write is tried again."""
        standing = (self._fleet.changes, self._catalog.versions)
        if standing == self._counted:
            return
        written = [await self._bring_up_to_date(block) for block in self._ours()]
        self._counted = standing if all(written) else None

    def _ours(self) -> list[ComputeBlock]:
        return [block for block in self._catalog.blocks if block.spec.accounting == "Operator"]

    async def _bring_up_to_date(self, block: ComputeBlock) -> bool:
        started = time.monotonic()
        accelerators = self._count(block)
        metrics.block_counted(time.monotonic() - started)
        await asyncio.sleep(0)  # others go on between two counts
        if block.status.observed_time is not None and block.status.accelerators == accelerators:
            return True
        moment = self._clock().replace(microsecond=0)
        status = ComputeBlockStatus(observed_time=moment, accelerators=accelerators)
        return await self._write(block, status)

    def _count(self, block: ComputeBlock) -> list[AcceleratorCapacity]:
        counts = (self._fleet.count(block, accelerator) for accelerator in self._classes())
        return [count.capacity() for count in counts if count.machines]

    def _classes(self) -> list[AcceleratorClass]:
        """The class that jobs get of each type, because a status has each type once."""
        ranked = sorted(self._catalog.classes, key=_preference, reverse=True)
        by_type = {accelerator.spec.accelerator_type: accelerator for accelerator in ranked}
        return [by_type[name] for name in sorted(by_type)][:_MAX_TYPES]

    async def _write(self, block: ComputeBlock, status: ComputeBlockStatus) -> bool:
        path = f"/apis/{API_VERSION}/computeblocks/{block.metadata.name}/status"
        try:
            answer = await self._client.put(path, _body(block, status), bytes)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                log.warning("block not written", block=block.metadata.name, error=str(error))
            metrics.block_written("refused")
            return False
        metrics.block_written("written")
        self._catalog.put_block(msgspec.json.decode(answer))
        return True


def _preference(accelerator: AcceleratorClass) -> tuple[bool, str]:
    """Sorts a user's own class before one that the installation brought."""
    return accelerator.metadata.brought, accelerator.metadata.name


def _body(block: ComputeBlock, status: ComputeBlockStatus) -> bytes:
    """UID and resourceVersion are the fence: a write against anything newer is a conflict."""
    meta = block.metadata
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "ComputeBlock",
        "metadata": {
            "name": meta.name,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
        "spec": block.spec.model_dump(by_alias=True, exclude_none=True, mode="json"),
        "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
    }
    return msgspec.json.encode(body)
