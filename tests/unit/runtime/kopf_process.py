"""kopf under our watchdog, in a process of its own: it ends as the operator would, or is healthy.

Usage: python kopf_process.py SERVER STARTING SILENT KIND[@NAMESPACE]…  Prints one line and is gone:
kopf cannot be stopped halfway without leaving sessions open, and its end cancels every task of the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from typing import Any

import kopf

from stargate_operator.informers.kopf_watchers import KopfWatchers, Watched
from stargate_operator.runtime.watchdog import Check, Unhealthy, Watchdog

PATIENCE = 20.0


def watched(told: str) -> Watched:
    kind, _, namespace = told.partition("@")
    return kind, namespace or None


def registry_of(server: str, kinds: set[str]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server, token="t")

    for kind in kinds:
        kopf.on.event("stargate.dev", "v1alpha1", kind, registry=registry)(lambda **_: None)
    return registry


def quick_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = [0.01]
    return settings


async def run_kopf(server: str, wanted: list[Watched]) -> None:
    namespaces = {namespace for _, namespace in wanted if namespace}
    await kopf.operator(
        registry=registry_of(server, {kind for kind, _ in wanted}),
        settings=quick_settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
    )


async def verdict(server: str, starting: float, silent: float, wanted: list[Watched]) -> str:
    watchers = KopfWatchers(frozenset(wanted), starting=starting, silent=silent)
    watchers.install()
    operator = asyncio.create_task(run_kopf(server, wanted))
    watchdog = asyncio.create_task(
        Watchdog([Check("kopf watchers", watchers.problem)], period=0.02).run()
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not watchers.listed and not watchdog.done():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
            await asyncio.wait([watchdog], timeout=2 * silent)
    if watchdog.done() and isinstance(watchdog.exception(), Unhealthy):
        return str(watchdog.exception())
    return "healthy" if watchers.listed and not operator.done() else "undecided"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    said = asyncio.new_event_loop().run_until_complete(
        verdict(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), [*map(watched, sys.argv[4:])])
    )
    print(said, flush=True)
    os._exit(0)
