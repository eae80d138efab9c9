"""The API server says which namespaces the operator may watch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stargate_operator.kube.client import Client
from stargate_operator.model.scope import EVERYWHERE, Scope
from stargate_operator.runtime import namespace_access
from stargate_operator.runtime.namespace_access import (
    NamespaceAccessChanged,
    NoNamespaceAccessError,
    refused_of,
    until_it_changes,
)
from stargate_operator.telemetry import metrics
from tests.unit.kube.fakeapi import Request, eventually, fake_api

TEAMS = Scope(("team-a", "team-b"))


@asynccontextmanager
async def cluster(**codes: int) -> AsyncIterator[tuple[Client, dict[str, int]]]:
    """A server with a status code for each namespace, by default 200. The codes may change."""

    async def handler(request: Request) -> None:
        namespace = request.path.split("/")[-2].replace("-", "_")
        await request.status(codes.get(namespace, 200), "Whatever", f"no, {namespace}")

    async with fake_api(handler) as api, Client(api.endpoint(), user_agent="test") as client:
        yield client, codes


async def test_forbidden_namespace_is_left_out_and_counted() -> None:
    async with cluster(team_b=403) as (client, _):
        refused = await refused_of(client, TEAMS)
    assert TEAMS.without(refused) == Scope(("team-a",))
    assert metrics.value("stargate_namespaces_refused") == 1


@pytest.mark.parametrize("code", [404, 429, 500, 503])
async def test_other_errors_do_not_count_as_forbidden(code: int) -> None:
    async with cluster(team_b=code) as (client, _):
        assert await refused_of(client, TEAMS) == ()


async def test_error_has_the_server_message_if_all_forbid() -> None:
    async with cluster(team_a=403, team_b=403) as (client, _):
        with pytest.raises(NoNamespaceAccessError, match=r"team-a, team-b.*no, team_a"):
            await refused_of(client, TEAMS)


async def test_cluster_wide_scope_asks_nothing() -> None:
    async with cluster() as (client, codes):
        assert await refused_of(client, EVERYWHERE) == ()
        assert EVERYWHERE.without(()) == EVERYWHERE
        assert codes == {}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace_access, "ASK_AGAIN_SECONDS", 0.01)


@asynccontextmanager
async def looking(client: Client, *refused: str) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(until_it_changes(client, TEAMS, refused))
    try:
        yield task
    finally:
        task.cancel()


@pytest.mark.usefixtures("quick")
async def test_namespace_that_is_back_restarts_the_process() -> None:
    async with cluster(team_b=403) as (client, codes), looking(client, "team-b") as task:
        await asyncio.sleep(0.1)
        assert not task.done()
        codes.clear()
        with pytest.raises(NamespaceAccessChanged, match="'team-b' may be watched now"):
            await asyncio.wait_for(task, 5)


@pytest.mark.usefixtures("quick")
async def test_namespace_that_refuses_twice_restarts_the_process() -> None:
    async with cluster() as (client, codes), looking(client) as task:
        await asyncio.sleep(0.1)
        assert not task.done()
        codes["team_a"] = 403
        with pytest.raises(NamespaceAccessChanged, match="'team-a' refuses to be watched"):
            await asyncio.wait_for(task, 5)


@pytest.mark.usefixtures("quick")
async def test_single_refusal_restarts_nothing() -> None:
    forbidding = iter([403])

    async def handler(request: Request) -> None:
        await request.status(next(forbidding, 200), "Whatever")

    async with (
        fake_api(handler) as api,
        Client(api.endpoint(), user_agent="test") as client,
        looking(client) as task,
    ):
        await eventually(lambda: len(api.requests) > 10)
        assert not task.done()
