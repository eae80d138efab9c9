"""The informer of the pods of others, which keeps their node and their requests."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from stargate_operator.informers.foreign_pods import ForeignPods, Held
from stargate_operator.kube.client import Client
from tests.unit.kube.fakeapi import Request, eventually, fake_api


def pod(name: str, version: int, cpu: str = "1", node: str = "n1") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)},
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Running"},
    }


END = {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}


async def test_held_resources_are_reported_from_start_to_end() -> None:
    async def session(request: Request) -> None:
        await request.start_stream()
        await request.send_line({"type": "ADDED", "object": pod("a", 5)})
        await request.send_line({"type": "BOOKMARK", "object": {"metadata": END}})
        await request.send_line({"type": "MODIFIED", "object": pod("a", 10)})
        await request.send_line({"type": "MODIFIED", "object": pod("a", 11, cpu="2")})
        await request.send_line({"type": "DELETED", "object": pod("a", 12, cpu="2")})
        await request.hang()

    told: list[tuple[Held | None, Held | None]] = []
    async with fake_api(session) as api, Client(api.endpoint(), user_agent="test") as client:
        pods = ForeignPods(client, on_change=lambda old, new: told.append((old, new)))
        running = asyncio.create_task(pods.run())
        await eventually(lambda: len(told) == 3)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    one, two = ("n1", {"cpu": 1000}), ("n1", {"cpu": 2000})
    assert told == [(None, one), (one, two), (two, None)]
    assert len(pods) == 0
    query = parse_qs(api.requests[0].target.partition("?")[2], keep_blank_values=True)
    assert query["labelSelector"] == ["!stargate.dev/job-uid"], "ours have a watch already"
    [fields] = query["fieldSelector"]
    assert fields == "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


async def test_gangs_of_other_namespaces_are_foreign_pods() -> None:
    def hang(request: Request) -> Awaitable[None]:
        return request.hang()

    async with fake_api(hang) as api, Client(api.endpoint(), user_agent="test") as client:
        pods = ForeignPods(client, on_change=lambda *_: None, outside=("ml", "web"))
        running = asyncio.create_task(pods.run())
        await eventually(lambda: api.requests)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert api.requests[0].path == "/api/v1/pods"
    query = parse_qs(api.requests[0].target.partition("?")[2], keep_blank_values=True)
    assert query["labelSelector"] == ["stargate.dev/job-uid"]
    [fields] = query["fieldSelector"]
    assert fields.endswith("!=Failed,metadata.namespace!=ml,metadata.namespace!=web")
