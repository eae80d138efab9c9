"""The watchdog finds a watcher that is dead, silent or was never started, with the real kopf."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kopf._cogs.clients import watching

from stargate_operator.informers.kopf_watchers import KopfWatchers
from stargate_operator.runtime.watchdog import Check, Unhealthy, Watchdog
from tests.unit.kube.fakeapi import Request, eventually, fake_api

PROCESS = Path(__file__).with_name("kopf_process.py")
OPERATOR = Path(__file__).parents[3] / "operator"
KINDS = ("computeblocks", "stargatejobs")
Fault = Callable[[Request], Awaitable[None]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _resources(*names: str) -> dict[str, Any]:
    verbs = ["list", "watch"]
    return {
        "resources": [
            {"name": n, "kind": n, "singularName": n[:-1], "namespaced": n in KINDS, "verbs": verbs}
            for n in names
        ]
    }


def _group(name: str, version: str) -> dict[str, Any]:
    return {
        "name": name,
        "preferredVersion": {"version": version},
        "versions": [{"version": version}],
    }


DISCOVERY = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [_group("stargate.dev", "v1alpha1"), _group("apiextensions.k8s.io", "v1")]},
    "/api/v1": _resources("namespaces", "events"),
    "/apis/apiextensions.k8s.io/v1": _resources("customresourcedefinitions"),
    "/apis/stargate.dev/v1alpha1": _resources(*KINDS),
}
BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}


class Cluster:
    """Serves what kopf discovers and watches; the watch of `faulty` ends in the fault asked for."""

    def __init__(
        self,
        fault: Fault | None = None,
        kinds: tuple[str, ...] = KINDS,
        faulty: str = "/stargatejobs",
    ) -> None:
        self.fault = fault
        self.faulty = faulty
        self.discovery = {**DISCOVERY, "/apis/stargate.dev/v1alpha1": _resources(*kinds)}

    async def __call__(self, request: Request) -> None:
        if request.path in self.discovery:
            await request.answer(200, self.discovery[request.path])
        elif "watch=true" not in request.target:
            await request.answer(
                200, {"kind": "L", "metadata": {"resourceVersion": "1"}, "items": []}
            )
        elif self.fault is not None and request.path.endswith(self.faulty):
            await self.fault(request)
        else:
            await self._bookmarks(request)

    async def _bookmarks(self, request: Request) -> None:
        await request.start_stream()
        while True:
            await request.send_line(BOOKMARK)
            await asyncio.sleep(0.05)


def after_a_bookmark(*lines: Any) -> Fault:
    async def fault(request: Request) -> None:
        await request.start_stream()
        for line in (BOOKMARK, *lines):
            await request.send_line(line)
        await request.hang()

    return fault


def refused(code: int) -> Fault:
    return lambda request: request.status(code, "Nope")


async def verdict(
    cluster: Cluster,
    *watched: str,
    starting: float = 15.0,
    silent: float = 5.0,
) -> str:
    """The output of a process with kopf and the watchdog on this cluster."""
    async with fake_api(cluster) as api:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROCESS),
            api.endpoint().server,
            str(starting),
            str(silent),
            *(watched or KINDS),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(OPERATOR)},
        )
        try:
            async with asyncio.timeout(60):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return said.decode().strip()


async def test_healthy_watchers_report_no_problem() -> None:
    assert await verdict(Cluster(), silent=1.0) == "healthy"


FAULTS = {
    "an ERROR event": after_a_bookmark({"type": "ERROR", "object": {"code": 500}}),
    "a garbled line": after_a_bookmark(b"{garbled"),
    **{str(code): refused(code) for code in (403, 404, 409, 410, 503)},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_dead_watcher_is_named_at_once(fault: str) -> None:
    said = await verdict(Cluster(FAULTS[fault]))
    assert said.startswith("kopf watchers: stargatejobs watcher is dead (")


async def test_watcher_that_dies_in_one_namespace_is_named() -> None:
    cluster = Cluster(refused(403), ("stargatejobs",), faulty="/namespaces/beta/stargatejobs")
    said = await verdict(cluster, "stargatejobs@alpha", "stargatejobs@beta")
    assert said.startswith("kopf watchers: stargatejobs in beta watcher is dead (")


async def test_silent_watcher_is_reported() -> None:
    said = await verdict(Cluster(after_a_bookmark()), silent=1.0)
    assert said == "kopf watchers: stargatejobs watcher has been silent for 1 s"


async def test_kind_that_is_never_watched_is_reported() -> None:
    said = await verdict(Cluster(kinds=("stargatejobs",)), starting=3.0)
    assert said == "kopf watchers: computeblocks not watched after 3 s"


async def test_end_of_kopf_reports_no_dead_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(**_: Any) -> AsyncIterator[Any]:
        yield watching.Bookmark.LISTED
        await asyncio.Event().wait()

    async def read(namespace: str) -> None:
        resource = SimpleNamespace(plural="stargatejobs")
        stream: Any = watching.infinite_watch
        async for _ in stream(resource=resource, namespace=namespace):
            pass

    monkeypatch.setattr(watching, "infinite_watch", endless)
    watchers = KopfWatchers(frozenset({("stargatejobs", "alpha"), ("stargatejobs", "beta")}))
    undo = watchers.install()
    tasks = [asyncio.create_task(read(each)) for each in ("alpha", "beta")]
    await eventually(lambda: watchers.listed)
    for task, problem in zip(tasks, ("stargatejobs in alpha watcher is dead", ""), strict=True):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (watchers.problem() or "").startswith(problem)
    assert watchers.problem() is None
    undo()


def test_kind_not_watched_ages_from_the_start() -> None:
    clock = Clock()
    watchers = KopfWatchers(frozenset({("computeblocks", None)}), clock=clock)
    undo = watchers.install()
    clock.now += 25
    undo()
    assert watchers.ages() == {"computeblocks": 25.0}


def test_watchdog_names_the_check_and_its_problem() -> None:
    watchdog = Watchdog([Check("pods", lambda: None), Check("lease", lambda: "lost")])
    assert watchdog.problems() == ["lease: lost"]


def test_check_that_raises_is_a_problem() -> None:
    def broken() -> str | None:
        raise KeyError("x")

    assert Watchdog([Check("pods", broken)]).problems() == ["pods: KeyError: 'x'"]


async def test_watchdog_that_stops_looking_is_a_problem() -> None:
    clock = Clock()
    watchdog = Watchdog([], period=5.0, clock=clock)
    assert watchdog.problems() == []
    clock.now += 100
    assert watchdog.problems() == ["watchdog: has not looked for 100 s"]


async def test_watchdog_ends_with_all_problems_named() -> None:
    checks = [Check("pods", lambda: "silent"), Check("lease", lambda: "lost")]
    with pytest.raises(Unhealthy, match="pods: silent; lease: lost"):
        await Watchdog(checks).run()


def test_watchers_not_installed_are_a_problem() -> None:
    assert KopfWatchers(frozenset((kind, None) for kind in KINDS)).problem() == "not installed"
