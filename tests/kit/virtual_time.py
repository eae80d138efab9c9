"""An asyncio event loop whose time is virtual: when nothing is ready, the clock jumps to the next timer.

A test that waits an hour takes milliseconds, and the same program runs in the same order each time.
There is no I/O and there are no threads. If nothing can happen any more, the loop raises `Deadlock`. If
callbacks run for ever while time stands still, it raises `Livelock`. Both list the waiting tasks.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Executor
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OWNER: ContextVar[Hashable] = ContextVar("owner", default=None)
"""The simulated process of a callback. Tasks inherit it from the task that starts them."""

_MOST_CALLBACKS = 200_000
"""The limit for one moment of virtual time. A gang of thousands needs some ten thousand."""


class Deadlock(Exception):  # noqa: N818 - a state
    """No callback is ready and no timer is set."""


class Livelock(Exception):  # noqa: N818 - a state
    """Callbacks run without end at one moment of virtual time."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`dice` shuffles the callbacks that are ready at the same moment. Without it they run in the order
    in which they were added."""

    def __init__(self, *, start: float = 1000.0, dice: Random | None = None) -> None:
        super().__init__()
        self._now = start
        self._dice = dice
        self._queue: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._callbacks = 0
        self._ends = False
        self._held: dict[Hashable, list[asyncio.Handle]] = {}
        self._paused_now = False
        self._tasks: dict[Hashable, dict[asyncio.Task[Any], None]] = {}

    def time(self) -> float:
        return self._now

    def pause(self, owner: Hashable) -> None:
        """Like SIGSTOP: no callback of this owner runs until `resume`, but time continues."""
        self._held.setdefault(owner, [])
        self._paused_now = True

    def resume(self, owner: Hashable) -> None:
        self._queue.extend(self._held.pop(owner, ()))

    def tasks_of(self, owner: Hashable) -> list[asyncio.Task[Any]]:
        """The owner's running tasks, in the order in which they were started."""
        return [task for task in self._tasks.get(owner, ()) if not task.done()]

    def create_task(
        self, coro: Any, *, name: Any = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        owner = (context or copy_context()).get(OWNER)
        if owner is not None:
            self._own(owner, task)
        return task

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        del executor, args
        raise RuntimeError(f"there are no threads in virtual time: {func!r}")

    def stop(self) -> None:
        self._ends = True
        super().stop()

    def _own(self, owner: Hashable, task: asyncio.Task[Any]) -> None:
        tasks = self._tasks.setdefault(owner, {})
        if len(tasks) % 256 == 255:
            self._tasks[owner] = tasks = {old: None for old in tasks if not old.done()}
        tasks[task] = None

    def _run_once(self) -> None:
        """Run the ready callbacks. If there are none, advance the clock to the next timer first."""
        self._hold()
        if not self._queue and not self._ends:
            self._advance()
            self._hold()
        self._count()
        self._ends = False
        batch, self._queue = self._queue, []
        if self._dice is not None:
            self._dice.shuffle(batch)
        for at, handle in enumerate(batch):
            if not handle.cancelled():
                handle._run()
            if self._paused_now:
                self._paused_now = False
                self._queue[:0] = batch[at + 1 :]
                break

    def _hold(self) -> None:
        """Set aside the callbacks of paused owners."""
        if not self._held:
            return
        others: list[asyncio.Handle] = []
        for handle in self._queue:
            self._held.get(_owner(handle), others).append(handle)
        self._queue = others

    def _advance(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Deadlock(f"nothing can happen any more; {self._described()}")
        if timers[0][0] > self._now:
            self._now, self._callbacks = timers[0][0], 0
        while timers and timers[0][0] <= self._now:
            self._queue.append(heapq.heappop(timers)[2])

    def _count(self) -> None:
        self._callbacks += len(self._queue)
        if self._callbacks > _MOST_CALLBACKS:
            self._callbacks = 0
            raise Livelock(f"no time goes by; {self._described()}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by a cancelled timer. `_advance` drops it from the heap later."""

    def _described(self) -> str:
        waiting = sorted(_where(task) for task in asyncio.all_tasks(self) if not task.done())
        return "waiting tasks:\n" + "\n".join(f"  {task}" for task in waiting)


def _owner(handle: asyncio.Handle) -> Hashable:
    context: Context = handle._context  # type: ignore[attr-defined]  # public since Python 3.12
    return context.get(OWNER)


def _where(task: asyncio.Task[Any]) -> str:
    """The task's name and the innermost line where it waits."""
    waiting: Any = task.get_coro()
    line = "?"
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            line = f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return f"{task.get_name()} at {line}"


def run(main: Coroutine[Any, Any, T], *, start: float = 1000.0, dice: Random | None = None) -> T:
    """Like `asyncio.run`, on a virtual loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start=start, dice=dice)) as runner:
        return runner.run(main)


def running_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def owned_by(owner: Hashable) -> Context:
    """A context whose tasks belong to `owner`."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context
