import asyncio

import pytest

from stargate_operator.reports.pending import MAX_PENDING, Ledger
from tests.unit.reports.given import JOB, at, checkpoint, progress, status


def told(*reports: object) -> Ledger:
    ledger = Ledger()
    for report in reports:
        record = ledger.checkpoint if hasattr(report, "uri") else ledger.progress
        record(JOB, report)  # type: ignore[arg-type]
    return ledger


def epochs(ledger: Ledger) -> list[tuple[int, str]]:
    return [(report.epoch, report.state) for report in ledger.of(JOB).checkpoints]


def test_a_job_that_reported_nothing_has_nothing() -> None:
    reports = Ledger().of(JOB)
    assert (reports.progress, reports.checkpoints, reports.epoch_seconds) == (None, (), None)


def test_rank_0_speaks_for_the_gang() -> None:
    ledger = told(progress(3), progress(None, rank=5, step=900))
    assert ledger.of(JOB).progress == progress(3)
    assert ledger.of(JOB).pulse.steps([5]) == (900, 900)


def test_what_a_report_leaves_out_stays_said() -> None:
    ledger = told(progress(3, step=10, metrics=(("loss", 0.5),)), progress(None, 2, step=11))
    assert ledger.of(JOB).progress == progress(3, 2, step=11, metrics=(("loss", 0.5),))


def test_an_older_attempt_is_not_heard_any_more() -> None:
    ledger = told(progress(3, attempt=2), progress(7, attempt=1))
    assert ledger.of(JOB).progress == progress(3, attempt=2)


def test_a_newer_attempt_starts_from_nothing() -> None:
    ledger = told(progress(7), progress(None, rank=3), checkpoint(5))
    ledger.settle(JOB, status(attempt=2))
    assert ledger.of(JOB).progress is None
    assert not ledger.of(JOB).pulse.ranks
    assert not epochs(ledger)


@pytest.mark.parametrize(
    ("seen", "pace"),
    [
        ([(0, 0)], None),
        ([(0, 0), (0, 60)], None),
        ([(0, 0), (1, 30)], 30),
        ([(40, 0), (41, 3), (42, 13), (43, 23)], 10),
        ([(0, 0), (2, 20), (6, 60)], 10),
        ([(9, 0), (10, 5), (3, 6), (4, 16)], 10),
        ([(n, n * 10 if n < 50 else 490 + (n - 49) * 20) for n in range(80)], 20),
    ],
    ids=["one", "same", "first", "joined-late", "skipping", "gone-back", "slower-of-late"],
)
def test_the_pace_of_an_attempt(seen: list[tuple[int, float]], pace: float | None) -> None:
    ledger = told(*(progress(epoch, seconds) for epoch, seconds in seen))
    assert ledger.of(JOB).epoch_seconds == pace


def test_a_checkpoint_is_pending_until_it_stands() -> None:
    ledger = told(checkpoint(5))
    assert epochs(ledger) == [(5, "Complete")]
    ledger.settle(JOB, status(checkpoint(5)))
    assert not epochs(ledger)


def test_it_stands_in_the_history_too() -> None:
    ledger = told(checkpoint(5))
    ledger.settle(JOB, status(checkpoint(10), checkpoint(5)))
    assert not epochs(ledger)


def test_standing_in_another_state_is_not_standing() -> None:
    ledger = told(checkpoint(5))
    ledger.settle(JOB, status(checkpoint(5, "Writing")))
    assert epochs(ledger) == [(5, "Complete")]


def test_a_repeat_keeps_the_first_time() -> None:
    ledger = told(checkpoint(5, seconds=1), checkpoint(5, seconds=9))
    assert [report.at for report in ledger.of(JOB).checkpoints] == [at(1)]


@pytest.mark.parametrize(
    ("reports", "left"),
    [
        ([checkpoint(5, "Writing"), checkpoint(5)], [(5, "Complete")]),
        ([checkpoint(5), checkpoint(5, "Writing")], [(5, "Complete")]),
        ([checkpoint(5, "Writing"), checkpoint(10, "Writing")], [(10, "Writing")]),
        ([checkpoint(5), checkpoint(10, "Writing")], [(5, "Complete"), (10, "Writing")]),
        ([checkpoint(5), checkpoint(5, "Damaged")], [(5, "Damaged")]),
        (
            [checkpoint(10, "Writing"), checkpoint(5, "Damaged")],
            [(10, "Writing"), (5, "Damaged")],
        ),
    ],
)
def test_what_supersedes_what(reports: list[object], left: list[tuple[int, str]]) -> None:
    assert epochs(told(*reports)) == left


def test_a_rank_that_reports_without_end_fills_no_memory() -> None:
    ledger = told(*(checkpoint(epoch) for epoch in range(1000)))
    assert len(ledger.of(JOB).checkpoints) == MAX_PENDING


async def test_waiting_ends_when_it_stands() -> None:
    ledger = told(checkpoint(5))
    first = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    second = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    ledger.settle(JOB, status(checkpoint(5)))
    assert all(await asyncio.gather(first, second))
    assert await ledger.standing(JOB, checkpoint(5), 0)


async def test_waiting_ends_in_time() -> None:
    assert not await told(checkpoint(5)).standing(JOB, checkpoint(5), 0.01)


async def test_one_who_hangs_up_harms_no_other() -> None:
    ledger = told(checkpoint(5))
    first = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    second = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    ledger.settle(JOB, status(checkpoint(5)))
    assert await second


async def test_waiting_ends_at_once_when_the_attempt_does() -> None:
    ledger = told(checkpoint(5))
    waiting = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    ledger.settle(JOB, status(attempt=2))
    assert not await asyncio.wait_for(waiting, 1)


async def test_a_last_save_that_made_it_into_the_next_attempt_stands() -> None:
    ledger = told(checkpoint(5))
    waiting = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    ledger.settle(JOB, status(checkpoint(5), attempt=2))
    assert await waiting


async def test_a_forgotten_job_keeps_nobody_waiting() -> None:
    ledger = told(checkpoint(5))
    waiting = asyncio.create_task(ledger.standing(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    ledger.forget(JOB)
    ledger.forget(JOB)
    assert not await asyncio.wait_for(waiting, 1)
    assert not epochs(ledger)


async def test_what_stood_at_the_start_stands() -> None:
    ledger = Ledger()
    ledger.settle(JOB, status(checkpoint(5)))
    ledger.checkpoint(JOB, checkpoint(5))
    assert not epochs(ledger)
    assert await ledger.standing(JOB, checkpoint(5), 0)
