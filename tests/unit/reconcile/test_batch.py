"""A batch applies its effect to each item once, a bounded number at a time."""

import asyncio
from dataclasses import dataclass, field

from stargate_operator.reconcile.batch import Batch


@dataclass
class Effect:
    """Notes each item; `gate` holds the effects back while it is closed."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    began: list[int] = field(default_factory=list)

    async def __call__(self, item: int) -> None:
        self.began.append(item)
        await self.gate.wait()


async def _rest() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_items_than_its_width_are_under_way() -> None:
    effect = Effect()
    batch = Batch(effect, width=2, done=lambda: None)
    batch.add(range(5))
    await _rest()
    assert effect.began == [0, 1]
    effect.gate.set()
    await _rest()
    assert effect.began == [0, 1, 2, 3, 4]
    assert len(batch) == 0


async def test_item_added_when_the_last_one_is_done_begins() -> None:
    """`done` starts the next pass, and that pass adds what is left to do."""
    effect = Effect()
    added: list[int] = []

    def done() -> None:
        if not added:
            added.append(7)
            batch.add(added)

    batch = Batch(effect, width=1, done=done)
    effect.gate.set()
    batch.add([1])
    await _rest()
    assert effect.began == [1, 7]


async def test_item_added_while_others_are_under_way_begins() -> None:
    """One straggler holds its worker; the other workers have ended."""
    effect = Effect()
    batch = Batch(effect, width=3, done=lambda: None)
    held, effect.gate = effect.gate, asyncio.Event()
    batch.add([1])
    await _rest()
    effect.gate = held
    held.set()
    batch.add([2, 3])
    await _rest()
    assert effect.began == [1, 2, 3]


async def test_item_under_way_is_not_added_again() -> None:
    effect = Effect()
    batch = Batch(effect, width=2, done=lambda: None)
    batch.add([1])
    await _rest()
    batch.add([1])
    await _rest()
    assert effect.began == [1]
