"""Lists once more, for a new leader, everything that its effects depend on, before its first pass.

A standby's watches run, but each may be behind without knowing it: kopf pauses for up to half a minute
after errors, and a process that was stopped wakes up with its old view. The leader before wrote until
its lease ended. These lists are consistent reads that begin after that. The caches take what is newer,
and the watches go on from where they were.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.reflector import Reflector, in_namespace
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.meta import ListMeta
from stargate_operator.model.scope import Scope
from stargate_types import API_VERSION

_PAGE = "500"
_GROUP = f"/apis/{API_VERSION}"

Body = dict[str, Any]


class _List(msgspec.Struct):
    metadata: ListMeta
    items: list[Body] = []


async def relist(
    client: Client,
    scope: Scope,
    jobs: Jobs,
    catalog: Catalog,
    reflectors: Iterable[Reflector[Any]],
) -> None:
    """The catalog comes first, so that no job reports a class as unknown that is only not read yet."""
    await asyncio.gather(
        _take_all(client, f"{_GROUP}/stargateruntimes", catalog.put_runtime),
        _take_all(client, f"{_GROUP}/acceleratorclasses", catalog.put_class),
        _take_all(client, f"{_GROUP}/computeblocks", catalog.put_block),
        *(reflector.refresh() for reflector in reflectors),
    )
    for part in scope.parts:
        await _read_jobs(client, jobs, part)


async def _read_jobs(client: Client, jobs: Jobs, namespace: str | None) -> None:
    found, version = await _all(client, in_namespace(f"{_GROUP}/stargatejobs", namespace))
    for body in found:
        jobs.take(body)
    jobs.keep_only({body["metadata"]["uid"] for body in found}, version, namespace)


async def _take_all(client: Client, path: str, take: Callable[[Mapping[str, Any]], object]) -> None:
    for body in (await _all(client, path))[0]:
        take(body)


async def _all(client: Client, path: str) -> tuple[list[Body], int]:
    """Lists in pages, all of one version. A kind without CRD has no objects; the watchdog reports it."""
    found: list[Body] = []
    query = {"limit": _PAGE}
    while True:
        page = await _page(client, path, query)
        found += page.items
        if not page.metadata.continue_:
            return found, int(page.metadata.resource_version)
        query["continue"] = page.metadata.continue_


async def _page(client: Client, path: str, query: Mapping[str, str]) -> _List:
    try:
        return await client.get(path, _List, query=query)
    except ApiError as error:
        if error.not_found:
            return _List(ListMeta())
        raise
