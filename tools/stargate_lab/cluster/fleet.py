"""Thousands of simulated machines, registered as a kubelet registers: one POST with its status.

A node that arrives Ready costs the control plane a single write. kwok then plays its kubelet.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from stargate_lab.cluster.api import Api, Credentials

IN_FLIGHT = 32
_ZONES = 4
_CONDITIONS = (
    ("Ready", "True", "KubeletReady"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID"),
)


class FleetError(RuntimeError):
    """The API server refused a node; the message is its answer."""


@dataclass(frozen=True)
class Fleet:
    """`nodes` equal machines; by default the fleet of the article."""

    nodes: int = 5000
    prefix: str = "node"
    resource: str = "stargate.dev/silicon-v2"
    devices: int = 8
    accelerator: str = "stargate-silicon-v2"
    cpu: str = "64"
    memory: str = "512G"
    ephemeral_storage: str = "1T"
    pods: str = "110"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [f"{self.prefix}-{i:05d}" for i in range(self.nodes)]


def create(fleet: Fleet, credentials: Credentials) -> None:
    """Every node is Ready when it returns."""
    now = _now()
    requests = (("/api/v1/nodes", node(fleet, n, i, now)) for i, n in enumerate(fleet.names))
    asyncio.run(_send_all(credentials, "POST", requests))


def delete(fleet: Fleet, credentials: Credentials) -> None:
    paths = ((f"/api/v1/nodes/{name}", None) for name in fleet.names)
    asyncio.run(_send_all(credentials, "DELETE", paths))


def ready_nodes(api: Api) -> int:
    return sum(_is_ready(n) for n in api.get("/api/v1/nodes")["items"])


def node(fleet: Fleet, name: str, index: int, now: str) -> dict[str, Any]:
    capacity = {
        "cpu": fleet.cpu,
        "memory": fleet.memory,
        "ephemeral-storage": fleet.ephemeral_storage,
        "pods": fleet.pods,
        fleet.resource: str(fleet.devices),
    }
    return {
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": _labels(fleet, name, index),
        },
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": _conditions(now),
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": _node_info(),
        },
    }


def _labels(fleet: Fleet, name: str, index: int) -> dict[str, str]:
    return {
        "type": "kwok",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "stargate.dev/accelerator": fleet.accelerator,
        "topology.kubernetes.io/zone": f"zone-{index % _ZONES}",
        **fleet.labels,
    }


def _conditions(now: str) -> list[dict[str, str]]:
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return [{"type": t, "status": s, "reason": r, **times} for t, s, r in _CONDITIONS]


def _node_info() -> dict[str, str]:
    """The required fields, which have no meaning for a simulated machine."""
    unknown = ("bootID", "machineID", "osImage", "systemUUID", "kubeProxyVersion")
    return {
        **dict.fromkeys(unknown, ""),
        "architecture": "amd64",
        "operatingSystem": "linux",
        "kernelVersion": "kwok",
        "kubeletVersion": "kwok",
        "containerRuntimeVersion": "kwok",
    }


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Request = tuple[str, Mapping[str, Any] | None]
Send = Callable[[str, Mapping[str, Any] | None], Awaitable[None]]


async def _send_all(credentials: Credentials, method: str, requests: Iterable[Request]) -> None:
    """Sends with IN_FLIGHT workers that share one iterator; the first refusal ends all of them."""
    queue = iter(requests)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=credentials.ssl)
    headers = {
        **credentials.headers,
        "Content-Type": "application/json",
        "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    }
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def send(path: str, body: Mapping[str, Any] | None) -> None:
            await _send(session, method, credentials.server + path, body)

        await asyncio.gather(*(_work(queue, send) for _ in range(IN_FLIGHT)))


async def _work(queue: Iterable[Request], send: Send) -> None:
    for path, body in queue:
        await send(path, body)


async def _send(
    session: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any] | None
) -> None:
    """Sends one request, and waits after a 429 as long as API Priority and Fairness asks for."""
    payload = json.dumps(body) if body else None
    while True:
        async with session.request(method, url, data=payload) as answer:
            text = await answer.text()
            if answer.status < 400:
                return
            if answer.status != 429:
                raise FleetError(f"{method} {url}: {answer.status} {text[:500]}")
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
