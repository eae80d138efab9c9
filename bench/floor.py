"""The floor: the lowest possible cost of creating and deleting a gang's pods.

A separate process with the operator's client. It sends the operator's pod bodies, with the same
concurrency and the same ServiceAccount, and does nothing else: no watch, no status, no decision. It
reads commands from stdin: `create FILE` (a workload.Batch as JSON) and `delete`. It prints `ready` once,
and `done` after each command.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from bench.workload import GRACE_SECONDS, PODS, Batch
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import load_endpoint
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.reconcile.pod_control import IN_FLIGHT

T = TypeVar("T")

USER_AGENT = "stargate-floor/bench"


class Floor:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._created: list[ObjectMeta] = []

    async def create(self, batch: Batch) -> None:
        stamp = batch.stamp

        async def create(rank: int) -> None:
            self._created.append(await self._client.create(PODS, stamp.of_rank(rank)))

        await _all(create, range(batch.size))

    async def delete(self) -> None:
        doomed, self._created = self._created, []

        async def delete(pod: ObjectMeta) -> None:
            await self._client.delete(f"{PODS}/{pod.name}", uid=pod.uid, grace=GRACE_SECONDS)

        await _all(delete, doomed)


async def _all(effect: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """IN_FLIGHT workers share the items."""
    queue = iter(items)
    await asyncio.gather(*(_work(effect, queue) for _ in range(IN_FLIGHT)))


async def _work(effect: Callable[[T], Awaitable[None]], queue: Iterator[T]) -> None:
    for item in queue:
        await effect(item)


async def obey(kubeconfig: Path) -> None:
    client = Client(load_endpoint(kubeconfig), user_agent=USER_AGENT, in_flight=IN_FLIGHT)
    loop = asyncio.get_running_loop()
    async with client:
        floor = Floor(client)
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await _do(floor, line.split())
            print("done", flush=True)


async def _do(floor: Floor, command: list[str]) -> None:
    match command:
        case ["create", file]:
            body = Path(file).read_bytes()  # noqa: ASYNC240 - a few kB, before anything is sent
            await floor.create(msgspec.json.decode(body, type=Batch))
        case ["delete"]:
            await floor.delete()
        case _:
            raise ValueError(f"not a command: {command}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig", type=Path)
    uvloop.run(obey(parser.parse_args().kubeconfig))
