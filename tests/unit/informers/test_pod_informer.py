"""The informer of pods, with an API server that fails in the usual ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

import pytest

from stargate_operator.informers import reflector as module
from stargate_operator.informers.informer import PODS, Informer
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.kube import client as client_module
from stargate_operator.kube.client import Client
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.model.pod import Pod
from tests.unit.kube.fakeapi import FakeApi, Request, eventually, fake_api

Session = Callable[[Request], Awaitable[None]]


def pod(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    labels = {"stargate.dev/job-uid": "job", "stargate.dev/rank": "1"}
    meta = {"name": name, "namespace": "ml", "uid": f"uid-{name}", "labels": labels}
    meta["resourceVersion"] = str(version)
    return {"kind": "Pod", "metadata": {**meta, **metadata}, "status": {"phase": "Running"}}


def event(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": obj}


def bookmark(version: int, *, initial_end: bool = False) -> dict[str, Any]:
    notes = {"k8s.io/initial-events-end": "true"} if initial_end else {}
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": notes}})


def error(code: int, reason: str = "Expired") -> dict[str, Any]:
    return event("ERROR", {"kind": "Status", "code": code, "reason": reason, "message": "x"})


INITIAL = [event("ADDED", pod("a", 5)), event("ADDED", pod("b", 3)), bookmark(10, initial_end=True)]


def says(*lines: Any, end: bool = True) -> Session:
    async def session(request: Request) -> None:
        await request.start_stream()
        for line in lines:
            await request.send_line(line)
        await (request.end_stream() if end else request.hang())

    return session


def refuses(code: int, reason: str) -> Session:
    return lambda request: request.status(code, reason)


class Followed:
    """An informer that runs against sessions told in advance; the last one stays."""

    def __init__(self, api: FakeApi, informer: Informer, pods: PodStore, told: list[Any]) -> None:
        self.api, self.informer, self.pods, self.told = api, informer, pods, told

    @property
    def names(self) -> set[str]:
        return {pod.name for pod in self.pods.of_job("job").values()}

    def query(self, n: int) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.api.requests[n].target.partition("?")[2]).items()}

    async def sessions(self, n: int) -> None:
        await eventually(lambda: len(self.api.requests) >= n)


@asynccontextmanager
async def following(*sessions: Session) -> AsyncIterator[Followed]:
    left = list(sessions)
    told: list[tuple[Pod | None, Pod | None]] = []

    async def handler(request: Request) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request)

    async with fake_api(handler) as api, Client(api.endpoint(), user_agent="test") as client:
        pods = PodStore(lambda _, old, new: told.append((old, new)))
        informer = Informer(client, pods, path=PODS, namespace="ml")
        running = asyncio.create_task(informer.run())
        try:
            yield Followed(api, informer, pods, told)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.001)


async def test_list_is_streamed_and_then_watched() -> None:
    async with following(says(*INITIAL, event("ADDED", pod("c", 11)), end=False)) as f:
        await f.informer.synced.wait()
        await eventually(lambda: f.names == {"a", "b", "c"})
        query = f.query(0)
    assert f.api.requests[0].path == "/api/v1/namespaces/ml/pods"
    assert query["sendInitialEvents"] == "true"
    assert query["labelSelector"] == "stargate.dev/job-uid"
    assert 240 <= int(query["timeoutSeconds"]) <= 480


async def test_closed_watch_resumes_without_a_list() -> None:
    async with following(
        says(*INITIAL, event("MODIFIED", pod("a", 12)), bookmark(15)),
        says(event("DELETED", pod("b", 16))),
        says(end=False),
    ) as f:
        await f.sessions(3)
        assert [f.query(n).get("resourceVersion") for n in range(3)] == [None, "15", "16"]
        assert f.names == {"a"}
        assert (f.informer.relists, f.informer.resumes) == (1, 2)


@pytest.mark.parametrize("gone", [says(error(410)), refuses(410, "Expired")])
async def test_pods_vanished_before_a_410_are_reported(gone: Session) -> None:
    relisted = says(event("ADDED", pod("b", 20)), bookmark(30, initial_end=True), end=False)
    async with following(says(*INITIAL), gone, relisted) as f:
        await eventually(lambda: f.names == {"b"})
        assert f.informer.relists == 2
        vanished = [old.name for old, new in f.told if old and not new]
    assert vanished == ["a"]


def page(*pods: dict[str, Any], more: str = "") -> Session:
    meta = {"resourceVersion": "40", "continue": more}
    return lambda request: request.answer(200, {"metadata": meta, "items": pods})


@pytest.mark.parametrize("said", [[], [event("ADDED", pod("a", 5))]], ids=["nothing", "a pod"])
async def test_silent_streamed_list_is_read_in_pages(
    said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIST_SILENCE", 0.05)
    async with following(says(*said, end=False), page(pod("b", 6)), says(end=False)) as f:
        await f.informer.synced.wait()
        await f.sessions(3)
        assert f.names == {"b"}
        assert f.query(2)["resourceVersion"] == "40"


@pytest.mark.parametrize("code", [400, 422])
async def test_without_streamed_lists_it_lists_in_pages(code: int) -> None:
    async with following(
        refuses(code, "Invalid"),
        page(pod("a", 5), more="token=="),
        page(pod("b", 6)),
        says(end=False),
    ) as f:
        await f.informer.synced.wait()
        await f.sessions(4)
        assert f.names == {"a", "b"}
        assert f.query(1)["limit"] == "500"
        assert f.query(2)["continue"] == "token=="
        assert f.query(3)["resourceVersion"] == "40"


@pytest.mark.parametrize(
    "fault",
    [
        says(b"{garbled"),
        says(event("ADDED", {"metadata": 7})),
        says(error(500, "InternalError")),
        refuses(500, "InternalError"),
        refuses(403, "Forbidden"),
        refuses(401, "Unauthorized"),
        refuses(429, "TooManyRequests"),
        Request.reset,
    ],
)
async def test_watch_resumes_after_a_fault(fault: Session) -> None:
    async with following(says(*INITIAL), fault, says(event("ADDED", pod("c", 11)), end=False)) as f:
        await eventually(lambda: f.names == {"a", "b", "c"})
        assert f.informer.relists == 1
        assert f.query(len(f.api.requests) - 1)["resourceVersion"] == "10"


async def test_unreachable_server_causes_no_relist() -> None:
    async with following(
        says(*INITIAL), *[Request.reset] * 5, says(event("ADDED", pod("c", 11)), end=False)
    ) as f:
        await eventually(lambda: f.names == {"a", "b", "c"})
        assert f.informer.relists == 1


async def test_version_that_keeps_failing_causes_a_relist() -> None:
    async with following(
        says(*INITIAL),
        *[refuses(504, "Timeout")] * 3,
        says(event("ADDED", pod("a", 5)), bookmark(50, initial_end=True), end=False),
    ) as f:
        await eventually(lambda: f.names == {"a"})
        assert f.informer.relists == 2


async def test_silent_watch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Client.stream
    monkeypatch.setattr(
        Client, "stream", lambda self, path, *, query: silent(self, path, query=query, idle=0.1)
    )
    async with following(says(*INITIAL, end=False), says(bookmark(11), end=False)) as f:
        await f.sessions(2)
        assert f.query(1)["resourceVersion"] == "10"


async def test_restored_cluster_is_accepted() -> None:
    back_in_time = says(event("ADDED", pod("a", 2)), bookmark(4, initial_end=True))
    async with following(
        says(*INITIAL),
        says(error(410)),
        back_in_time,
        says(event("ADDED", pod("a", 2)), bookmark(4, initial_end=True), end=False),
    ) as f:
        await eventually(lambda: f.names == {"a"})
        known = f.pods.by_uid("uid-a")
        assert known is not None
        assert known.resource_version == 2


async def test_list_of_a_namespace_removes_pods_there_alone() -> None:
    relisted = says(bookmark(30, initial_end=True), end=False)
    async with following(says(*INITIAL), says(error(410)), relisted) as f:
        await f.informer.synced.wait()
        elsewhere = ObjectMeta(
            name="c", namespace="web", uid="c", labels={"stargate.dev/job-uid": "job"}
        )
        f.pods.seed(elsewhere)
        await eventually(lambda: f.informer.relists == 2 and f.names == {"c"})


async def test_unexpected_exception_ends_the_informer() -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    async def handler(request: Request) -> None:
        await says(*INITIAL)(request)

    async with fake_api(handler) as api, Client(api.endpoint(), user_agent="test") as client:
        informer = Informer(client, PodStore(broken), path=PODS)
        with pytest.raises(KeyError):
            async with asyncio.timeout(5):
                await informer.run()


async def test_informer_is_alive_while_events_arrive() -> None:
    async with following(says(*INITIAL, end=False)) as f:
        await f.informer.synced.wait()
        heard = f.informer.last_heard
        assert f.informer.alive(heard + 100)
        assert not f.informer.alive(heard + 1000)
