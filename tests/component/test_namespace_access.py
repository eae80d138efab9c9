"""The API server decides which namespaces the operator watches. A change restarts the process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from stargate_operator.kube.client import Client
from stargate_operator.model.scope import EVERYWHERE, Scope
from stargate_operator.runtime.namespace_access import (
    ASK_AGAIN_SECONDS,
    NamespaceAccessChanged,
    NoNamespaceAccessError,
    refused_of,
    until_it_changes,
)
from stargate_operator.telemetry import metrics
from tests.kit.api_server.faults import Fault, Rule, broken, refused, too_many
from tests.kit.api_server.network import Network
from tests.kit.api_server.requests import Request
from tests.kit.api_server.server import ApiServer
from tests.kit.cluster.replica import ENDPOINT

TEAMS = Scope(("team-a", "team-b"))
OTHER_ERRORS = [refused(404, "NotFound", "no"), too_many(), broken(), refused(503, "Busy", "no")]


@pytest.fixture
async def server() -> ApiServer:
    return ApiServer(Random(0))


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    network = Network(server, latency=lambda: 0.001)
    clock, jitter = asyncio.get_running_loop().time, server.dice.uniform
    async with Client(
        ENDPOINT, user_agent="test", transport=network, clock=clock, jitter=jitter
    ) as client:
        yield client


def asked_in(namespace: str) -> Callable[[Request], bool]:
    return lambda request: request.path.split("/")[-2] == namespace


def forbid(server: ApiServer, namespace: str, times: float = float("inf")) -> Rule:
    fault = refused(403, "Forbidden", f"no, {namespace}")
    return server.strike(fault, where=asked_in(namespace), times=times)


@asynccontextmanager
async def asking(client: Client, *left_out: str) -> AsyncIterator["asyncio.Task[None]"]:
    """The process asks again and again, and has asked once."""
    task = asyncio.create_task(until_it_changes(client, TEAMS, left_out))
    await asyncio.sleep(1.5 * ASK_AGAIN_SECONDS)
    assert not task.done()
    yield task
    task.cancel()


async def test_forbidden_namespace_is_left_out_and_counted(
    server: ApiServer, client: Client
) -> None:
    forbid(server, "team-b")

    left_out = await refused_of(client, TEAMS)

    assert TEAMS.without(left_out) == Scope(("team-a",))
    assert metrics.value("stargate_namespaces_refused") == 1


@pytest.mark.parametrize("error", OTHER_ERRORS, ids=lambda error: error.refusal.code)
async def test_other_errors_do_not_count_as_forbidden(
    server: ApiServer, client: Client, error: Fault
) -> None:
    server.strike(error, where=asked_in("team-b"))
    assert await refused_of(client, TEAMS) == ()


async def test_error_has_the_server_message_if_all_forbid(
    server: ApiServer, client: Client
) -> None:
    for namespace in TEAMS.namespaces or ():
        forbid(server, namespace)
    with pytest.raises(NoNamespaceAccessError, match=r"team-a, team-b.*no, team-a"):
        await refused_of(client, TEAMS)


async def test_cluster_wide_scope_asks_nothing(server: ApiServer, client: Client) -> None:
    assert await refused_of(client, EVERYWHERE) == ()
    assert EVERYWHERE.without(()) == EVERYWHERE
    assert server.audit == []


async def test_namespace_that_is_back_restarts_the_process(
    server: ApiServer, client: Client
) -> None:
    forbidden = forbid(server, "team-b")
    async with asking(client, "team-b") as task:
        server.faults.remove(forbidden)
        with pytest.raises(NamespaceAccessChanged, match="'team-b' may be watched now"):
            await asyncio.wait_for(task, 2 * ASK_AGAIN_SECONDS)


async def test_namespace_that_refuses_twice_restarts_the_process(
    server: ApiServer, client: Client
) -> None:
    async with asking(client) as task:
        forbid(server, "team-a")
        with pytest.raises(NamespaceAccessChanged, match="'team-a' refuses to be watched"):
            await asyncio.wait_for(task, 3 * ASK_AGAIN_SECONDS)


async def test_single_refusal_restarts_nothing(server: ApiServer, client: Client) -> None:
    async with asking(client) as task:
        forbidden = forbid(server, "team-a", times=1)
        await asyncio.sleep(10 * ASK_AGAIN_SECONDS)
        assert forbidden.struck == 1
        assert not task.done()
