"""Distinguishes a slow machine from a slow operator: the recorder writes a heartbeat twice a second.

Each beat writes a Lease through the same API server and waits until a watch shows it. If that takes
long, the disk, the API server or this process stood still, and the operator could not act in that time
either. The kernel reports how long the operators' processes were ready to run but had no processor.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp

from stargate_lab.cluster.api import Credentials
from tests.kit.recorder.history import Interruption

PERIOD_SECONDS = 0.5
PROMPT_SECONDS = 0.5
"""Seconds that a beat may take on a busy machine."""
STARVED_SECONDS = 0.1
"""Seconds without a processor in one period. Less than that is normal on a busy machine."""
_PAUSE = 0.05
_MANY = 1_000_000
"""The most beats of one connection, so that no number comes twice."""
_SERVER_ERROR = 500
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


@dataclass(frozen=True)
class Beat:
    """`due` is the time at which to write it, `seen` the time at which the watch showed it."""

    due: float
    seen: float


def standstills(beats: Iterable[Beat]) -> list[Interruption]:
    """The intervals in which writes were slow for every client."""
    late = (beat for beat in beats if beat.seen - beat.due > PROMPT_SECONDS)
    return [Interruption(beat.due, beat.seen) for beat in late]


def waited_seconds(pid: int) -> float:
    """Seconds since its start that a process was ready to run but had no processor; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


@dataclass
class Starvation:
    """The time in which processes had no processor, measured from one look to the next."""

    pids: Callable[[], list[int]]
    found: list[Interruption] = field(default_factory=list)
    _waited: dict[int, float] = field(default_factory=dict)

    def look(self, now: float) -> None:
        """The kernel gives only the sum, so it is taken as one interval that ends now."""
        waited = {pid: waited_seconds(pid) for pid in self.pids()}
        most = max(
            (waited[pid] - self._waited[pid] for pid in waited if pid in self._waited), default=0
        )
        self._waited = waited
        if most > STARVED_SECONDS:
            self.found.append(Interruption(now - most, now))


@dataclass
class Heartbeat:
    """`beat` runs until it is cancelled. You may call `standstills` from another thread."""

    credentials: Credentials
    name: str
    operators: Starvation
    _late: list[Beat] = field(default_factory=list)
    _due: float = 0.0
    """When the pending beat was due; 0 if none is pending."""

    def standstills(self, now: float) -> list[Interruption]:
        due = self._due
        pending = [Beat(due, now)] if due else []
        return [*standstills([*self._late, *pending]), *self.operators.found]

    async def beat(self, session: aiohttp.ClientSession) -> None:
        watch = asyncio.create_task(self._look_after_operators())
        try:
            for first in count(step=_MANY):
                await self._while_connected(session, first)
                await asyncio.sleep(_PAUSE)
        finally:
            watch.cancel()
            self._due = 0.0

    async def _look_after_operators(self) -> None:
        while True:
            self.operators.look(time.time())
            await asyncio.sleep(PERIOD_SECONDS)

    async def _while_connected(self, session: aiohttp.ClientSession, first: int) -> None:
        try:
            await self._write(session, first)
            async with aclosing(self._shown(session)) as shown:
                for number in count(first + 1):
                    self._due = self._due or time.time() + PERIOD_SECONDS
                    await asyncio.sleep(self._due - time.time())
                    await self._write(session, number)
                    while await anext(shown) < number:
                        pass
                    self._note_seen(time.time())
        except aiohttp.ClientResponseError as error:
            if error.status < _SERVER_ERROR:
                self._due = 0.0  # a refusal is a prompt answer too
        except (aiohttp.ClientError, OSError, ValueError, StopAsyncIteration):
            pass  # the beat stays due

    def _note_seen(self, seen: float) -> None:
        beat = Beat(self._due, seen)
        if standstills([beat]):
            self._late.append(beat)
        self._due = 0.0

    async def _write(self, session: aiohttp.ClientSession, number: int) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name},
            "spec": {"leaseTransitions": number},
        }
        async with session.patch(
            f"{self.credentials.server}{_LEASES}/{self.name}",
            params={"fieldManager": "recorder", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            data=json.dumps(body),
        ) as answer:
            answer.raise_for_status()

    async def _shown(self, session: aiohttp.ClientSession) -> AsyncGenerator[int]:
        """The number of each beat that the watch shows."""
        query = {"watch": "1", "fieldSelector": f"metadata.name={self.name}"}
        async with session.get(f"{self.credentials.server}{_LEASES}", params=query) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                yield int(json.loads(line)["object"]["spec"]["leaseTransitions"])
