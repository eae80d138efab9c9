"""Records all commits in order. The invariants are checked on the record, and tests wait for states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.kit.api_server.server import ApiServer
from tests.kit.api_server.store import Commit
from tests.kit.recorder.checks import Breach, check
from tests.kit.recorder.history import History, Interruption, Request, State, Write
from tests.kit.recorder.report import describe, report

T = TypeVar("T")

_AGENT = "stargate-operator/"
_KINDS = ("StargateJob", "Pod", "Service", "Event")
_SHOWN = 60


class Recorder:
    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.history = History(one_clock=True)
        self.state = State()
        self._server = server
        self._namespace = namespace
        self._waiting: list[tuple[Callable[[State], Any], asyncio.Future[Any]]] = []
        server.store.listen(self._record)

    @property
    def writes(self) -> list[Write]:
        return self.history.writes

    def requests(self) -> list[Request]:
        """The operators' requests, as an audit log has them."""
        found = []
        for answered in self._server.audit:
            request = answered.request
            if not request.agent.startswith(_AGENT) or request.dry:
                continue
            found.append(
                Request(
                    agent=request.agent.removeprefix(_AGENT),
                    verb=request.verb,
                    resource=request.audited,
                    namespace=request.namespace,
                    name=request.name,
                    code=answered.code,
                    began=answered.began,
                    ended=answered.ended,
                    grace=request.json.get("gracePeriodSeconds"),
                )
            )
        return found

    async def wait(self, condition: Callable[[State], T], expected: str, seconds: float) -> T:
        """Wait for a write after which `condition` is true, and return its value."""
        found = condition(self.state)
        if found:
            return found
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise AssertionError(f"waited {seconds:g} s for {expected}\n{self.story()}") from None
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Mark the time in which the test keeps the operator from acting."""
        start = self._server.seconds
        try:
            yield
        finally:
            self.history.interruptions.append(Interruption(start, self._server.seconds))

    def check(self) -> list[Breach]:
        self.history.requests = self.requests()
        self.history.until = self._server.seconds
        return check(self.history)

    def assert_held(self) -> None:
        breaches = self.check()
        assert not breaches, report(self.history, breaches)

    def story(self) -> str:
        start = self.writes[0].at if self.writes else 0.0
        return "\n".join(f"  {describe(write, start)}" for write in self.writes[-_SHOWN:])

    def _record(self, commit: Commit) -> None:
        kind, namespace = commit.key.resource.kind, commit.key.namespace
        if kind not in _KINDS or namespace != self._namespace:
            return
        write = Write(commit.change, kind, commit.version, self._server.seconds, commit.now.object)
        self.history.add(write)
        self.state.apply(write)
        self._tell()

    def _tell(self) -> None:
        for entry in list(self._waiting):
            condition, future = entry
            found = None if future.done() else condition(self.state)
            if found:
                future.set_result(found)
                self._waiting.remove(entry)
