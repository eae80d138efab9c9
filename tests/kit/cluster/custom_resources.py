"""A replacement for kopf's own I/O: it watches the custom resources and calls the same handlers.

Like kopf it lists, then watches from the list's version. After a 410 it lists again and reports no
deletions. After errors it waits longer each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from kopf._cogs.clients.watching import Bookmark

from stargate_operator.informers.kopf_handlers import Handler
from stargate_operator.informers.kopf_watchers import KopfWatchers, Watched
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from tests.kit.api_server.resources import RESOURCES, Key, path_of

Json = dict[str, Any]

_BACK_OFFS = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0)
_PAGE = "500"
_BY_PLURAL = {resource.plural: resource for resource in RESOURCES}


class CustomResources:
    def __init__(
        self, client: Client, watchers: KopfWatchers, handlers: Mapping[str, Handler]
    ) -> None:
        self._client = client
        self._watchers = watchers
        self._handlers = handlers

    async def run(self, stop: asyncio.Event) -> None:
        wanted = sorted(self._watchers.wanted, key=str)
        tasks = [asyncio.create_task(self._watch(kind), name=f"kopf {kind}") for kind in wanted]
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, watched: Watched) -> None:
        handler = self._handlers[watched[0]]
        async for event in self._watchers.observe(watched, self._events(watched)):
            if event is not Bookmark.LISTED and event["type"] != "BOOKMARK":
                handler(event)

    async def _events(self, watched: Watched) -> AsyncIterator[Any]:
        plural, namespace = watched
        path = path_of(Key(_BY_PLURAL[plural], namespace or "", ""))
        failures = 0
        while True:
            try:
                async for event in self._listed_and_watched(path):
                    yield event
                    failures = 0
            except ApiError as error:
                if error.gone:
                    continue
                await asyncio.sleep(_BACK_OFFS[min(failures, len(_BACK_OFFS) - 1)])
                failures += 1

    async def _listed_and_watched(self, path: str) -> AsyncIterator[Any]:
        """Ends when the next version is compacted. Raises ApiError when the connection breaks."""
        items, version = await self._listed(path)
        for item in items:
            yield {"type": None, "object": item}
        yield Bookmark.LISTED
        while True:
            query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
            stream = self._client.stream(path, query={**query, "timeoutSeconds": "240"}, idle=70.0)
            async with aclosing(stream) as lines:
                async for line in lines:
                    event = msgspec.json.decode(line)
                    if event["type"] == "ERROR":
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    yield event

    async def _listed(self, path: str) -> tuple[list[Json], str]:
        query, items = {"limit": _PAGE}, list[Json]()
        while True:
            page = await self._client.get(path, dict, query=query)
            items += page["items"]
            if not page["metadata"].get("continue"):
                return items, page["metadata"]["resourceVersion"]
            query["continue"] = page["metadata"]["continue"]
