"""Sees every contender's pods in the same way: one watch of the namespace, in this process.

It uses the operator's informer, the cheapest watch that we have. So it needs little of the two shared
cores, and the same for each contender.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench.timeline import Milestone, Timeline
from stargate_operator.informers.informer import PODS, Informer
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.kube.client import Client
from stargate_operator.model.pod import Pod

PATIENCE = 3600.0


class StuckError(RuntimeError):
    """A gang has not reached a milestone; the message says how far it came."""


class Observer:
    def __init__(self, client: Client, namespace: str) -> None:
        self._pods = PodStore(self._changed)
        self._informer = Informer(client, self._pods, path=PODS, namespace=namespace)
        self._timelines: dict[int, Timeline] = {}
        self._size = 0
        self._news = asyncio.Event()
        self._emptied_at = 0.0

    def expect(self, size: int) -> None:
        """Starts a new observation, and drops the gangs before it."""
        self._size = size
        self._timelines = {}

    def timeline(self, attempt: int) -> Timeline:
        return self._timelines.setdefault(attempt, Timeline(self._size))

    def pods(self) -> list[Pod]:
        return [pod for uid in self._pods.job_uids() for pod in self._pods.of_job(uid).values()]

    async def until(self, attempt: int, milestone: Milestone, patience: float = PATIENCE) -> float:
        """Waits for a milestone of the gang of that attempt, and returns its time."""
        timeline = self.timeline(attempt)
        try:
            async with asyncio.timeout(patience):
                while milestone not in timeline.moments:
                    await self._next_news()
        except TimeoutError:
            got = f"reached {', '.join(timeline.moments) or 'nothing'}"
            raise StuckError(f"attempt {attempt} is not {milestone}: {got}") from None
        return timeline.moments[milestone]

    async def until_empty(self, patience: float = PATIENCE) -> float:
        try:
            async with asyncio.timeout(patience):
                while len(self._pods):
                    await self._next_news()
        except TimeoutError:
            raise StuckError(f"{len(self._pods)} pods are still there") from None
        return self._emptied_at

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Observer"]:
        task = asyncio.create_task(self._informer.run())
        await self._informer.synced.wait()
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _next_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _changed(self, uid: str, old: Pod | None, new: Pod | None) -> None:
        del uid
        now, pod = time.monotonic(), new or old
        assert pod is not None
        reached = self.timeline(pod.attempt).take(old, new, now)
        emptied = new is None and not len(self._pods)
        if emptied:
            self._emptied_at = now
        if reached or emptied:
            self._news.set()
