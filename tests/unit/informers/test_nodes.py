"""The node informer: the fields that it keeps, and the changes that it reports."""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from stargate_operator.informers.nodes import NodeInformer, NodeStore, WireNode, node_of
from stargate_operator.kube.client import Client
from stargate_operator.model.node import Node
from tests.unit.kube.fakeapi import Request, eventually, fake_api


def wire(name: str, version: int, ready: str | None = "True") -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "False"}]
    if ready is not None:
        conditions.append({"type": "Ready", "status": ready})
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"kind": "Node", "metadata": meta, "status": {"conditions": conditions}}


def read(name: str, version: int, ready: str | None = "True") -> Node:
    return node_of(msgspec.convert(wire(name, version, ready), WireNode))


@pytest.mark.parametrize(
    ("said", "ready", "silent"),
    [
        ("True", True, False),
        ("False", False, False),
        ("Unknown", False, True),
        (None, False, True),
    ],
)
def test_node_is_ready_unready_or_silent(said: str | None, ready: bool, silent: bool) -> None:
    found = read("a", 1, said)
    assert (found.ready, found.silent) == (ready, silent)


def test_only_changed_nodes_are_reported() -> None:
    told: list[tuple[bool, bool]] = []
    store = NodeStore(lambda old, new: told.append((old is not None, new is not None)))
    store.put(read("a", 5))
    store.put(read("a", 6))
    store.put(read("a", 4, "Unknown"))
    assert told == [(False, True)], "a heartbeat, and what was overtaken, are no news"
    store.put(read("a", 7, "Unknown"))
    store.remove("uid-a")
    store.remove("uid-a")
    assert told[1:] == [(True, True), (True, False)]


def test_node_missing_in_a_list_is_gone() -> None:
    gone: list[str] = []
    store = NodeStore(lambda old, new: gone.append(old.name) if old and not new else None)
    for name, version in (("a", 5), ("b", 6), ("c", 20)):
        store.put(read(name, version))
    store.keep_only({"uid-a"}, 10)
    assert gone == ["b"]


async def test_the_informer_follows_nodes_without_a_selector() -> None:
    async def session(request: Request) -> None:
        await request.start_stream()
        await request.send_line({"type": "ADDED", "object": wire("a", 5)})
        end = {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}
        await request.send_line({"type": "BOOKMARK", "object": {"metadata": end}})
        await request.send_line({"type": "MODIFIED", "object": wire("a", 10, "Unknown")})
        await request.hang()

    told: list[Node | None] = []
    async with fake_api(session) as api, Client(api.endpoint(), user_agent="test") as client:
        informer = NodeInformer(client, on_change=lambda _, new: told.append(new))
        running = asyncio.create_task(informer.run())
        await eventually(lambda: len(told) == 2)
        assert informer.synced.is_set()
        assert [node.ready for node in told if node] == [True, False]
        assert "labelSelector" not in api.requests[0].target
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def test_equal_labels_and_capacities_of_nodes_are_shared() -> None:
    def read_with(name: str) -> Node:
        body = wire(name, 1)
        body["metadata"]["labels"] = {"zone": "a", "kubernetes.io/hostname": name}
        taint = {"key": "team", "value": "a", "effect": "NoSchedule"}
        body["spec"] = {"taints": [taint, {"key": "soft", "effect": "PreferNoSchedule"}]}
        body["status"]["allocatable"] = {"cpu": "63900m", "memory": "1Gi", "example.com/gpu": "8"}
        return node_of(msgspec.convert(body, WireNode))

    one, other = read_with("a"), read_with("b")
    assert one.label("zone") == "a"
    assert one.label("rack") is None
    assert [taint.key for taint in one.taints] == ["team"]
    assert one.allocatable == {"cpu": 63_900, "memory": 2**30, "example.com/gpu": 8}
    assert one.allocatable is other.allocatable
    assert one.taints is other.taints
    assert one.labels[0] is other.labels[0]


def test_cordoned_node_is_tainted_at_once() -> None:
    body = wire("a", 1)
    body["spec"] = {"unschedulable": True}
    [taint] = node_of(msgspec.convert(body, WireNode)).taints
    assert (taint.key, taint.effect) == ("node.kubernetes.io/unschedulable", "NoSchedule")


def test_changed_labels_or_capacity_are_reported() -> None:
    told: list[Node | None] = []
    store = NodeStore(lambda _, new: told.append(new))
    body = wire("a", 1)
    store.put(node_of(msgspec.convert(body, WireNode)))
    body["metadata"] |= {"resourceVersion": "2", "labels": {"zone": "b"}}
    store.put(node_of(msgspec.convert(body, WireNode)))
    body["metadata"]["resourceVersion"] = "3"
    store.put(node_of(msgspec.convert(body, WireNode)))
    assert len(told) == 2
