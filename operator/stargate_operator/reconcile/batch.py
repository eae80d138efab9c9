"""Applies one effect to many items, a bounded number at a time. It can be stopped between two items.

Creating or deleting a gang takes seconds, and the job's passes must go on meanwhile: the status
must stay true, and a suspension or a failure must stop the creation at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Hashable)


class Batch(Generic[T]):
    """The pod control has one for creates and one for deletes. `effect` handles the errors that it
    expects; any other error is logged, and the next pass tries again."""

    def __init__(
        self, effect: Callable[[T], Awaitable[None]], *, width: int, done: Callable[[], None]
    ) -> None:
        self._effect = effect
        self._width = width
        self._done = done
        self._waiting: deque[T] = deque()
        self._items: set[T] = set()
        self._workers: set[asyncio.Task[None]] = set()

    @property
    def items(self) -> frozenset[T]:
        """The items that wait or are under way."""
        return frozenset(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, items: Iterable[T]) -> None:
        """Adds items. An item that waits or is under way already is not added again."""
        fresh = [item for item in items if item not in self._items]
        self._items.update(fresh)
        self._waiting.extend(fresh)
        for _ in range(min(self._width, len(self._waiting)) - len(self._workers)):
            self._workers.add(asyncio.create_task(self._work()))

    def clear(self) -> None:
        """Drops the items that have not begun."""
        self._items.difference_update(self._waiting)
        self._waiting.clear()

    async def stop(self) -> None:
        """Drops the items that have not begun, and waits for those that have."""
        self.clear()
        if self._workers:
            await asyncio.gather(*self._workers)

    async def _work(self) -> None:
        while self._waiting:
            item = self._waiting.popleft()
            try:
                await self._effect(item)
            except Exception:
                log.exception("an effect failed", item=str(item))
            finally:
                self._items.discard(item)
        # Before `done`, and without a pause since the last look at `_waiting`: an item that is added
        # from here on needs a new worker, and `add` counts this one while it is in the set.
        self._workers.discard(_this_task())
        if not self._items:
            self._done()


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task
