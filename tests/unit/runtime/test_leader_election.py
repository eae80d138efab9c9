"""The leader election, with a server that can be cut off, slow or changed by others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stargate_operator.kube.client import Client
from stargate_operator.runtime.leader_election import LeaderElection, LeaseLost, NotLeading
from tests.unit.kube.fakeapi import FakeApi, Request, eventually, fake_api


class LeaseServer:
    """A lease with optimistic locking, and the faults asked for."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.fault: Any = None
        self.lose_answers = False
        self.holders: list[str] = []

    async def __call__(self, request: Request) -> None:
        if self.fault is not None:
            await self.fault(request)
        elif request.verb == "GET" and self.lease is None:
            await request.status(404, "NotFound")
        elif request.verb == "POST" and self.lease is not None:
            await request.status(409, "AlreadyExists")
        elif request.verb == "PUT" and not self.fits(request.json()):
            await request.status(409, "Conflict")
        else:
            await self.serve(request)

    async def serve(self, request: Request) -> None:
        if request.verb != "GET":
            self.write(request.json())
        if request.verb != "GET" and self.lose_answers:
            await request.reset()
        else:
            await request.answer(200, self.lease)

    def fits(self, lease: dict[str, Any]) -> bool:
        return (
            self.lease is not None
            and lease["metadata"]["resourceVersion"] == self.lease["metadata"]["resourceVersion"]
        )

    def write(self, lease: dict[str, Any]) -> None:
        self.version += 1
        self.holders.append(lease["spec"]["holderIdentity"])
        self.lease = {
            **lease,
            "metadata": {**lease["metadata"], "resourceVersion": str(self.version)},
        }

    @property
    def holder(self) -> str | None:
        return self.lease["spec"]["holderIdentity"] if self.lease else None

    def give_to(self, holder: str) -> None:
        assert self.lease is not None
        self.write({**self.lease, "spec": {**self.lease["spec"], "holderIdentity": holder}})


@asynccontextmanager
async def served() -> AsyncIterator[tuple[LeaseServer, FakeApi]]:
    server = LeaseServer()
    async with fake_api(server) as api:
        yield server, api


def candidate(client: Client, identity: str = "a", **more: Any) -> LeaderElection:
    timing = {"duration": 1.0, "renew_deadline": 0.6, "retry": 0.1, **more}
    return LeaderElection(client, namespace="ns", name="stargate", identity=identity, **timing)


async def idle() -> None:
    await asyncio.Event().wait()


def leads(election: LeaderElection) -> asyncio.Task[None]:
    return asyncio.create_task(election.run(idle))


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_leader_renews_lease_and_releases_it_at_end() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        first, second = candidate(client, "a"), candidate(client, "b")
        with pytest.raises(NotLeading):
            first.guard()
        running = leads(first)
        await eventually(lambda: first.is_leader)
        waiting = leads(second)
        await asyncio.sleep(1.5)
        first.guard()
        assert (server.holder, second.is_leader) == ("a", False)
        await stop(running)
        await first.release()
        with pytest.raises(NotLeading):
            first.guard()
        await eventually(lambda: second.is_leader)
        assert "" in server.holders, "the second leads because the lease was released"
        assert server.lease is not None
        assert server.lease["spec"]["leaseTransitions"] == 2
        await stop(waiting)


async def test_lease_is_released_after_interrupted_renewal() -> None:
    async def accept_without_an_answer(request: Request) -> None:
        if request.verb == "PUT":
            server.write(request.json())
        await request.hang()

    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        server.fault, version = accept_without_an_answer, server.version
        await eventually(lambda: server.version > version)

        await stop(running)
        server.fault = None
        await election.release()

        assert server.holder == ""


async def test_killed_leader_is_replaced_only_after_its_lease() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        first, second = candidate(client, "a"), candidate(client, "b")
        running = leads(first)
        await eventually(lambda: first.is_leader)
        waiting = leads(second)
        await asyncio.sleep(0.3)
        await stop(running)  # no release: as if killed
        died = asyncio.get_running_loop().time()
        await eventually(lambda: server.holder == "b")
        waited = asyncio.get_running_loop().time() - died
        assert 0.7 < waited < 1.6
        assert not first.is_leader
        await stop(waiting)


@pytest.mark.parametrize("fault", [Request.reset, Request.hang, lambda r: r.status(500, "Oops")])
async def test_isolated_leader_stops_writing_before_lease_ends(fault: Any) -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        server.fault = fault
        began = asyncio.get_running_loop().time()
        with pytest.raises(LeaseLost):
            await running
        assert asyncio.get_running_loop().time() - began < 1.2
        with pytest.raises(NotLeading):
            election.guard()


async def test_one_failed_renewal_does_not_lose_the_lease() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        server.fault = Request.reset
        await asyncio.sleep(0.3)
        server.fault = None
        await asyncio.sleep(0.8)
        election.guard()
        await stop(running)


async def test_lost_renewal_answer_does_not_lose_lease() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        server.lose_answers = True
        await asyncio.sleep(0.25)
        server.lose_answers = False
        await asyncio.sleep(0.5)
        election.guard()
        await stop(running)


async def test_annotation_of_others_stays_and_loses_no_lease() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        assert server.lease is not None
        server.write(
            {**server.lease, "metadata": {**server.lease["metadata"], "annotations": {"a": "b"}}}
        )
        await asyncio.sleep(0.5)
        election.guard()
        assert server.lease["metadata"]["annotations"] == {"a": "b"}
        await stop(running)


async def test_lease_taken_by_another_is_lost_at_once() -> None:
    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = leads(election)
        await eventually(lambda: election.is_leader)
        server.give_to("thief")
        with pytest.raises(LeaseLost, match="thief"):
            await running
        assert not election.is_leader
        await election.release()
        assert server.holder == "thief"


async def test_only_one_of_many_followers_leads() -> None:
    async with served() as (_, api), Client(api.endpoint(), user_agent="t") as client:
        everybody = [candidate(client, f"c{n}") for n in range(10)]
        running = [leads(each) for each in everybody]
        for _ in range(30):
            await asyncio.sleep(0.02)
            assert sum(each.is_leader for each in everybody) <= 1
        assert sum(each.is_leader for each in everybody) == 1
        await stop(*running)


async def test_error_of_the_callback_ends_the_election() -> None:
    async def broken() -> None:
        raise KeyError("a bug")

    async with served() as (_, api), Client(api.endpoint(), user_agent="t") as client:
        with pytest.raises(KeyError):
            await candidate(client).run(broken)


async def test_callback_ends_before_run_ends() -> None:
    ended = asyncio.Event()

    async def writers() -> None:
        try:
            await idle()
        finally:
            ended.set()

    async with served() as (server, api), Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client)
        running = asyncio.create_task(election.run(writers))
        await eventually(lambda: election.is_leader)
        server.give_to("thief")
        with pytest.raises(LeaseLost):
            await running
        assert ended.is_set()


async def test_lease_counts_from_before_its_request_was_sent() -> None:
    now = 100.0

    async def slow(request: Request) -> None:
        nonlocal now
        now += 0.5 if request.verb == "POST" else 0.0
        await server(request)

    server = LeaseServer()
    async with fake_api(slow) as api, Client(api.endpoint(), user_agent="t") as client:
        election = candidate(client, clock=lambda: now)
        running = leads(election)
        await eventually(lambda: election._renewed_at is not None)
        assert election._renewed_at == 100.0
        now = 100.0 + 0.59
        election.guard()
        now = 100.0 + 0.61
        assert election.is_leader
        with pytest.raises(NotLeading):
            election.guard()
        await stop(running)
