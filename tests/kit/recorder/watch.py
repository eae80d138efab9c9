"""The recorder: one watch for each kind, on its own connections, in its own thread.

The recorder proves that its record is complete. After a disconnect, a watch continues from the last
version. If the server has compacted that version (410), the recorder lists the objects and compares them
with its record: any difference is a gap. At the end it compares its record with a list once more.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

from stargate_lab.cluster.api import Api, Credentials
from tests.kit.recorder.audit import AuditLog
from tests.kit.recorder.checks import Breach, check
from tests.kit.recorder.heartbeat import Heartbeat, Starvation
from tests.kit.recorder.history import (
    Gap,
    History,
    Interruption,
    Json,
    Request,
    State,
    Write,
    lost_by,
)
from tests.kit.recorder.report import describe, report

T = TypeVar("T")

Expected = str | Callable[[State], str]
"""The expected state in words, for a failed wait. A function is called only after the timeout."""

_PAUSE = 0.05
_CATCH_UP_SECONDS = 15.0


@dataclass(frozen=True)
class Kind:
    name: str
    path: str


def kinds_of(namespace: str) -> tuple[Kind, ...]:
    core = f"/api/v1/namespaces/{namespace}"
    return (
        Kind("StargateJob", f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs"),
        Kind("Pod", f"{core}/pods"),
        Kind("Service", f"{core}/services"),
        Kind("Event", f"{core}/events"),
    )


class HistoryLost(Exception):  # noqa: N818 - an event, not an error
    """The server has compacted the next writes."""


@dataclass
class Recorder:
    """Records a namespace from `start` on.

    `audit_log` is the API server's audit log, if it has one: it shows the operators' requests.
    `operators` returns the process ids of the operators, if they run on this machine.
    `operators_api` are the credentials for the operators' API server, if the recorder uses another one.
    """

    credentials: Credentials
    namespace: str
    audit_log: Path | None = None
    operators: Callable[[], list[int]] = list
    operators_api: Credentials | None = None
    kinds: tuple[Kind, ...] = ()
    history: History = field(default_factory=History)
    state: State = field(default_factory=State)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _versions: dict[str, int] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _ended: asyncio.Event | None = None
    _audit: AuditLog | None = None
    _heartbeat: Heartbeat = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = self.kinds or kinds_of(self.namespace)
        self._heartbeat = Heartbeat(
            self.operators_api or self.credentials,
            f"recorder-{uuid4().hex[:8]}",
            Starvation(self.operators),
        )

    @property
    def api(self) -> Api:
        return Api(self.credentials)

    def start(self) -> None:
        """Start to record. Every write after the return is recorded."""
        if self.audit_log is not None:
            self._audit = AuditLog(self.audit_log)
        self.look_around()
        self.follow()

    def look_around(self) -> None:
        for kind in self.kinds:
            found = self.api.get(kind.path)
            self._versions[kind.name] = int(found["metadata"]["resourceVersion"])
            for item in found["items"]:
                self._record("FOUND", kind, item)

    def follow(self) -> None:
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._loop and self._ended:
            with contextlib.suppress(RuntimeError):  # the loop has already ended
                self._loop.call_soon_threadsafe(self._ended.set)
        if self._thread:
            self._thread.join(10)
            self._thread = None

    def wait(self, condition: Callable[[State], Any], seconds: float, expected: Expected) -> Any:
        """Wait until `condition` is true and return its value. It sees every state from now on.

        Standstills of the machine do not count towards `seconds`.
        """
        start = time.time()
        with self._changed:
            while not (found := condition(self.state)):
                left = seconds - self.acted_seconds(start)
                assert left > 0, f"waited {seconds:g} s for {self._said(expected)}\n{self.tail()}"
                self._changed.wait(left)
            return found

    def acted_seconds(self, since: float) -> float:
        """Seconds since the time `since` in which the operator could act."""
        now = time.time()
        standstills = self._heartbeat.standstills(now)
        return now - since - (lost_by(now, standstills) - lost_by(since, standstills))

    def _said(self, expected: Expected) -> str:
        return expected if isinstance(expected, str) else expected(self.state)

    def look(self, at: Callable[[State], T]) -> T:
        """Call `at` with the current state and return its value."""
        with self._changed:
            return at(self.state)

    def writes(self) -> list[Write]:
        with self._changed:
            return list(self.history.writes)

    def requests(self) -> list[Request]:
        """The operators' requests since the start."""
        return self._audit.read() if self._audit else []

    def assert_quiet(self, seconds: float, settle: float = 10.0) -> None:
        """Assert that after a time to settle no write is done or tried for `seconds`."""
        self._wait_still(1.5, settle)
        versions, tried = self._seen(), len(self._own_writes())
        time.sleep(seconds)
        self.catch_up()
        written = [w for w in self.writes() if w.version > versions]
        assert not written, "writes although nothing happened:\n" + self.tail(len(written))
        failed = self._own_writes()[tried:]
        assert not failed, f"the operator tried to write although nothing happened: {failed}"

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Mark the time in which the test keeps the operator from acting. Time limits exclude it."""
        start = time.time()
        try:
            yield
        finally:
            self.history.interruptions.append(Interruption(start, time.time()))

    def catch_up(self) -> None:
        """Wait until all writes up to now are recorded. Add a gap for those that are missing."""
        for kind in self.kinds:
            self._await_all(kind, self.api.get(kind.path))
        with self._changed:
            self.history.until = time.time()

    def check(self) -> list[Breach]:
        self.catch_up()
        with self._changed:
            self.history.requests = self.requests()
            self.history.standstills = self._heartbeat.standstills(time.time())
            return check(self.history)

    def assert_held(self) -> None:
        breaches = self.check()
        assert not breaches, "\n" + report(self.history, breaches)

    def tail(self, writes: int = 25) -> str:
        found = self.history.writes
        start = found[0].at if found else 0.0
        return "\n".join(f"  {describe(write, start)}" for write in found[-writes:])

    def _own_writes(self) -> list[Request]:
        requests = self.requests()
        return [each for each in requests if each.writes and each.namespace == self.namespace]

    def _seen(self) -> int:
        with self._changed:
            return max((write.version for write in self.history.writes), default=0)

    def _wait_still(self, still: float, patience: float) -> None:
        until = time.monotonic() + patience
        while time.time() - self.history.until < still:
            assert time.monotonic() < until, f"still writes after {patience:g} s:\n{self.tail()}"
            time.sleep(0.1)

    def _await_all(self, kind: Kind, listed: Json) -> None:
        until = time.monotonic() + _CATCH_UP_SECONDS
        with self._changed:
            while missing := self._missing(kind, listed):
                left = until - time.monotonic()
                if left <= 0:
                    self.history.gaps.append(Gap(kind.name, time.time(), f"never saw {missing}"))
                    return
                self._changed.wait(left)

    def _missing(self, kind: Kind, listed: Json) -> list[str]:
        """The UIDs of newer versions and deletions that the list shows and the record lacks."""
        versions = {item["metadata"]["uid"]: _version(item) for item in listed["items"]}
        newer = [uid for uid, version in versions.items() if version > self._newest(uid)]
        gone = [
            write.uid
            for write in self.state.objects.values()
            if write.kind == kind.name and write.uid not in versions
            if write.version <= _version(listed)
        ]
        return [uid for uid in newer if uid not in self._deleted] + gone

    def _newest(self, uid: str) -> int:
        write = self.state.objects.get(uid)
        return write.version if write else 0

    def _run(self) -> None:
        asyncio.run(self._watch_all())

    async def _watch_all(self) -> None:
        """Run all watches until `stop`. It aborts the connections, because a TLS shutdown would wait for
        the server's answer and the loop ends earlier."""
        ended = asyncio.Event()
        self._loop, self._ended = asyncio.get_running_loop(), ended
        connector = aiohttp.TCPConnector(ssl=self.credentials.ssl)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=self.credentials.headers
        ) as session:
            watches = asyncio.gather(
                self._heartbeat.beat(session), *(self._watch(session, kind) for kind in self.kinds)
            )
            watches.add_done_callback(lambda _: ended.set())
            await ended.wait()
            aborted = connector.close(abort_ssl=True)
            watches.cancel()  # before a watch sees that the connector is closed
            await aborted
            with contextlib.suppress(asyncio.CancelledError):
                await watches

    async def _watch(self, session: aiohttp.ClientSession, kind: Kind) -> None:
        while True:
            try:
                async for event in self.events(session, kind):
                    self._take(kind, event)
            except HistoryLost:
                await self._relist(session, kind)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                await asyncio.sleep(_PAUSE)

    async def events(self, session: aiohttp.ClientSession, kind: Kind) -> AsyncIterator[Json]:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._versions[kind.name]),
        }
        async with session.get(self.credentials.server + kind.path, params=query) as answer:
            if answer.status == 410:
                raise HistoryLost
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def _take(self, kind: Kind, event: Json) -> None:
        found = event["object"]
        if event["type"] == "ERROR":
            if found.get("code") == 410:
                raise HistoryLost
            raise OSError(found.get("message"))
        if event["type"] != "BOOKMARK":
            self._record(event["type"], kind, found)
        self._versions[kind.name] = _version(found)

    def _record(self, verb: Any, kind: Kind, found: Json) -> None:
        found["metadata"].pop("managedFields", None)
        write = Write(verb, kind.name, _version(found), time.time(), found)
        with self._changed:
            self.history.add(write)
            self.state.apply(write)
            if verb == "DELETED":
                self._deleted.add(write.uid)
            self._changed.notify_all()

    async def _relist(self, session: aiohttp.ClientSession, kind: Kind) -> None:
        """After a 410: list the objects, and record a gap if they differ from the record."""
        async with session.get(self.credentials.server + kind.path) as answer:
            answer.raise_for_status()
            found = await answer.json()
        listed = {item["metadata"]["uid"]: item for item in found["items"]}
        with self._changed:
            known = {u: w for u, w in self.state.objects.items() if w.kind == kind.name}
        changed = [i for u, i in listed.items() if self._newest(u) != _version(i)]
        gone = [write for uid, write in known.items() if uid not in listed]
        if changed or gone:
            names = [item["metadata"]["name"] for item in changed] + [write.name for write in gone]
            self.history.gaps.append(Gap(kind.name, time.time(), f"410; changed since: {names}"))
        for item in changed:
            self._record("MODIFIED" if item["metadata"]["uid"] in known else "ADDED", kind, item)
        version = int(found["metadata"]["resourceVersion"])
        for write in gone:
            write.object["metadata"]["resourceVersion"] = str(version)
            self._record("DELETED", kind, write.object)
        self._versions[kind.name] = version


@contextmanager
def recording(
    credentials: Credentials,
    namespace: str,
    audit_log: Path | None = None,
    operators: Callable[[], list[int]] = list,
    operators_api: Credentials | None = None,
) -> Iterator[Recorder]:
    """Record during the block and check the invariants after it, unless the block failed."""
    recorder = Recorder(credentials, namespace, audit_log, operators, operators_api)
    recorder.start()
    try:
        yield recorder
        recorder.assert_held()
    finally:
        recorder.stop()


def _version(found: Json) -> int:
    return int(found["metadata"]["resourceVersion"])


__all__ = ["Expected", "Kind", "Recorder", "kinds_of", "recording"]
