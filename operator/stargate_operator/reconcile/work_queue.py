"""Runs the passes of all jobs while this process leads, in one task for each job.

An error in a pass concerns that job alone: it is logged, the pass is repeated with back-off, and the
other jobs go on.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.model.gang_index import GangIndex
from stargate_operator.model.pod import Pod
from stargate_operator.reconcile.alarm import Alarm
from stargate_operator.reconcile.reconciler import Dependencies, Reconciler
from stargate_operator.telemetry import metrics

log = structlog.get_logger(__name__)

_FIRST_BACK_OFF = 0.5
_LAST_BACK_OFF = 30.0
_RESYNC = 300.0
"""Seconds after which a job without events gets a pass: a watch may have missed its deletion."""


class _JobLoop:
    """One job's task, its alarm and the index of its pods."""

    def __init__(
        self, uid: str, dependencies: Dependencies, *, finished: Callable[[str], None]
    ) -> None:
        self.alarm = Alarm(dependencies.monotonic)
        self.gang_index = GangIndex(dependencies.pods.of_job(uid).values())
        self.reconciler = Reconciler(uid, dependencies, self.gang_index)
        self._dependencies = dependencies
        self._finished = finished
        self._failures = 0
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.alarm.now()
        self.task = asyncio.create_task(self._run(), name=f"passes of {self.reconciler.uid}")

    async def _run(self) -> None:
        while not self.reconciler.done:
            self.alarm.after(_RESYNC * self._dependencies.jitter(0.8, 1.2))
            metrics.pass_began(late=await self.alarm.wait())
            await self._pass()
        self._finished(self.reconciler.uid)

    async def _pass(self) -> None:
        started = self._dependencies.monotonic()
        try:
            due = await self.reconciler.reconcile()
        except NotLeading:
            raise
        except Exception as error:
            self._back_off(error)
            metrics.pass_done(self._dependencies.monotonic() - started, "error")
        else:
            self._failures = 0
            metrics.pass_done(self._dependencies.monotonic() - started)
            self._come_back(due)
        self.alarm.passed()

    def _come_back(self, due: datetime | None) -> None:
        if due is not None:
            self.alarm.after((due - self._dependencies.clock()).total_seconds())

    def _back_off(self, error: Exception) -> None:
        self._failures += 1
        doubled = min(_LAST_BACK_OFF, _FIRST_BACK_OFF * 2 ** min(self._failures - 1, 8))
        wait = doubled * self._dependencies.jitter(0.8, 1.2)
        expected = isinstance(error, ApiError)
        log.warning(
            "pass failed",
            **self.reconciler.names,
            error=str(error),
            retry_seconds=round(wait, 3),
            exc_info=None if expected else error,
        )
        self.alarm.after(wait)


class WorkQueue:
    """The part that sees a change of a job calls `wake` or `wake_soon`, at any time. Passes run
    between `start` and `stop`."""

    def __init__(self) -> None:
        self._loops: dict[str, _JobLoop] = {}
        self._dependencies: Dependencies | None = None
        self.failure: asyncio.Future[None] | None = None

    def start(self, dependencies: Dependencies) -> None:
        """Begins with a pass for each job known now, by its resource or by a pod that is left of it."""
        self._dependencies = dependencies
        self.failure = asyncio.get_running_loop().create_future()
        for uid in sorted(dependencies.jobs.uids | dependencies.pods.job_uids()):
            self.wake(uid)

    async def stop(self) -> None:
        tasks = [loop.task for loop in self._loops.values() if loop.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, uid: str) -> None:
        """For a change that cannot wait: a new spec, a checkpoint to acknowledge, a finished batch."""
        loop = self._loop(uid)
        if loop is not None:
            loop.alarm.now()

    def wake_soon(self, uid: str) -> None:
        """For a change that comes often and can wait for the next routine pass."""
        loop = self._loop(uid)
        if loop is not None:
            loop.alarm.soon()

    def wake_all(self) -> None:
        for uid in list(self._loops):
            self.wake(uid)

    def pod_changed(self, uid: str, old: Pod | None, new: Pod | None) -> None:
        loop = self._loops.get(uid)
        if loop is None or self._dependencies is None:
            return self.wake(uid)  # the new index begins with the pods that the informer holds now
        if loop.gang_index.take(old, new):
            loop.alarm.now()
        else:
            loop.alarm.soon()
        return None

    @property
    def due(self) -> int:
        """Number of passes that are due and have not begun."""
        return sum(loop.alarm.due for loop in self._loops.values())

    @property
    def pods_waiting(self) -> int:
        """Number of pods that wait to be created or deleted, or are being so."""
        return sum(loop.reconciler.pods_waiting for loop in self._loops.values())

    def _loop(self, uid: str) -> _JobLoop | None:
        if self._dependencies is None:
            return None
        loop = self._loops.get(uid)
        if loop is None:
            loop = self._loops[uid] = _JobLoop(uid, self._dependencies, finished=self._finished)
            loop.start()
            assert loop.task is not None
            loop.task.add_done_callback(partial(self._ended, uid))
        return loop

    def _finished(self, uid: str) -> None:
        self._loops.pop(uid, None)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        """A task ends with an error by a bug, or because the lease is lost. Then the process ends
        too."""
        self._loops.pop(uid, None)
        if task.cancelled() or task.exception() is None:
            return
        if self.failure is not None and not self.failure.done():
            self.failure.set_exception(task.exception() or RuntimeError())
