"""The status of a block is written only when it has changed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stargate_operator.kube.client import Client
from stargate_operator.reconcile.compute_blocks import ComputeBlockWriter
from stargate_types import ComputeBlock
from tests.kit.builders import NOW, accelerator_class, brought, compute_block
from tests.unit.kube.fakeapi import Request, fake_api
from tests.unit.placement.machines import GivenFleet, catalog, machine


class Server:
    """Stores what is put, unless it is told to answer otherwise."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self.conflicts = 0

    async def answer(self, request: Request) -> None:
        body = request.json()
        if self.conflicts:
            self.conflicts -= 1
            await request.status(409, "Conflict")
            return
        self.written.append(body)
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        body["metadata"] |= {"resourceVersion": version, "generation": 1}
        await request.answer(200, json.loads(json.dumps(body)))

    @property
    def free(self) -> list[int]:
        return [body["status"]["accelerators"][0]["freeNodes"] for body in self.written]


@asynccontextmanager
async def accounting(
    fleet: GivenFleet, *blocks: ComputeBlock
) -> AsyncIterator[tuple[Server, ComputeBlockWriter]]:
    server = Server()
    known = catalog(accelerator_class(), *(blocks or (compute_block(),)))
    async with fake_api(server.answer) as api, Client(api.endpoint(), user_agent="test") as client:
        yield server, ComputeBlockWriter(client, known, fleet, seconds=10, clock=lambda: NOW)


async def test_numbers_are_written_only_when_they_change() -> None:
    fleet = GivenFleet(machine("a"), machine("b"))
    async with accounting(fleet) as (server, writer):
        for _ in range(3):
            await writer.look()
        assert server.free == [2]
        fleet.runs("a", devices="8")
        await writer.look()
        await writer.look()
        assert server.free == [2, 1]


async def test_many_changes_cause_one_write() -> None:
    fleet = GivenFleet(*(machine(f"n{i}") for i in range(50)))
    async with accounting(fleet) as (server, writer):
        await writer.look()
        for i in range(40):
            fleet.runs(f"n{i}", devices="8")
        await writer.look()
        assert server.free == [50, 10]


async def test_a_write_has_resource_version_and_time() -> None:
    async with accounting(GivenFleet(machine("a"))) as (server, writer):
        await writer.look()
    [body] = server.written
    assert body["metadata"]["uid"] == "cluster-uid"
    assert body["status"]["observedTime"] == "2026-03-01T12:00:00Z"


async def test_a_conflict_is_tried_again() -> None:
    async with accounting(GivenFleet(machine("a"))) as (server, writer):
        server.conflicts = 1
        await writer.look()
        assert server.written == []
        await writer.look()
        assert server.free == [1]


async def test_externally_counted_block_is_never_written() -> None:
    theirs = compute_block("theirs", accounting="External")
    async with accounting(GivenFleet(machine("a")), theirs) as (server, writer):
        await writer.look()
        assert server.written == []


async def test_a_block_without_hardware_has_no_accelerators() -> None:
    async with accounting(GivenFleet()) as (server, writer):
        await writer.look()
    [body] = server.written
    assert body["status"]["accelerators"] == []


async def test_a_type_is_counted_by_the_jobs_class() -> None:
    installed = brought(accelerator_class("a", resource_name="other.dev/other"))
    known = catalog(compute_block(), installed, accelerator_class("b"))
    server = Server()
    async with fake_api(server.answer) as api, Client(api.endpoint(), user_agent="test") as client:
        fleet = GivenFleet(machine("n"))
        await ComputeBlockWriter(client, known, fleet, seconds=10, clock=lambda: NOW).look()
    assert server.free == [1]
