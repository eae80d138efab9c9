import asyncio

import pytest

from stargate_kit.report_fakes import FOLDER, JOB, at, checkpoint, progress, status
from stargate_operator.reports.pending import MAX_EXPIRED, MAX_PENDING, PendingReports


def told(*reports: object) -> PendingReports:
    pending = PendingReports()
    for report in reports:
        record = pending.checkpoint if hasattr(report, "uri") else pending.progress
        record(JOB, report)  # type: ignore[arg-type]
    return pending


def epochs(pending: PendingReports) -> list[tuple[int, str]]:
    return [(report.position.epoch, report.state) for report in pending.of(JOB).checkpoints]


def test_job_without_reports_has_none_pending() -> None:
    reports = PendingReports().of(JOB)
    assert (reports.progress, reports.checkpoints, reports.epoch_seconds) == (None, (), None)


def test_progress_is_that_of_rank_0() -> None:
    pending = told(progress(3), progress(None, rank=5, step=900))
    assert pending.of(JOB).progress == progress(3)
    assert pending.of(JOB).heartbeats.steps([5]) == (900, 900)


def test_values_left_out_stay_as_reported_before() -> None:
    metrics = (("loss", 0.5),)
    first = progress(3, step=10, total_steps=900, metrics=metrics)
    pending = told(first, progress(None, 2, step=11))
    assert pending.of(JOB).progress == progress(3, 2, step=11, total_steps=900, metrics=metrics)


def test_report_of_an_older_attempt_is_ignored() -> None:
    pending = told(progress(3, attempt=2), progress(7, attempt=1))
    assert pending.of(JOB).progress == progress(3, attempt=2)


def test_newer_attempt_starts_without_reports() -> None:
    pending = told(progress(7), progress(None, rank=3), checkpoint(5))
    pending.mark_written(JOB, status(attempt=2))
    assert pending.of(JOB).progress is None
    assert not pending.of(JOB).heartbeats.ranks
    assert not epochs(pending)


@pytest.mark.parametrize(
    ("seen", "rate"),
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
def test_epoch_rate_of_an_attempt(seen: list[tuple[int, float]], rate: float | None) -> None:
    pending = told(*(progress(epoch, seconds) for epoch, seconds in seen))
    assert pending.of(JOB).epoch_seconds == rate


def test_step_rate_of_an_attempt() -> None:
    pending = told(progress(0, 0, step=100), progress(0, 10, step=150), progress(0, 20, step=170))
    assert (pending.of(JOB).step_seconds, pending.of(JOB).epoch_seconds) == (0.5, None)


async def test_other_position_at_one_place_is_another_report() -> None:
    """The files there were written over: the first report counts, and the second must not seem
    written."""
    first, second = checkpoint(5, uri="s3://b/latest"), checkpoint(5, step=9, uri="s3://b/latest")
    pending = told(first, second)
    pending.mark_written(JOB, status(first))
    assert await pending.wait_until_written(JOB, first, 0)
    assert not await pending.wait_until_written(JOB, second, 0)


async def test_damage_is_written_whatever_step_is_named() -> None:
    pending = told(checkpoint(0, "Damaged", uri="s3://b/x"))
    pending.mark_written(JOB, status(checkpoint(0, "Damaged", step=300, uri="s3://b/x")))
    assert await pending.wait_until_written(JOB, checkpoint(0, "Damaged", uri="s3://b/x"), 0)


def test_checkpoint_is_pending_until_written() -> None:
    pending = told(checkpoint(5))
    assert epochs(pending) == [(5, "Complete")]
    pending.mark_written(JOB, status(checkpoint(5)))
    assert not epochs(pending)


def test_checkpoint_in_the_history_is_written() -> None:
    pending = told(checkpoint(5))
    pending.mark_written(JOB, status(checkpoint(10), checkpoint(5)))
    assert not epochs(pending)


def test_checkpoint_written_in_another_state_stays_pending() -> None:
    pending = told(checkpoint(5))
    pending.mark_written(JOB, status(checkpoint(5, "Writing")))
    assert epochs(pending) == [(5, "Complete")]


def test_repeated_report_keeps_the_first_time() -> None:
    pending = told(checkpoint(5, seconds=1), checkpoint(5, seconds=9))
    assert [report.at for report in pending.of(JOB).checkpoints] == [at(1)]


@pytest.mark.parametrize(
    ("reports", "left"),
    [
        ([checkpoint(5, "Writing"), checkpoint(5)], [(5, "Complete")]),
        ([checkpoint(5), checkpoint(5, "Writing")], [(5, "Complete")]),
        ([checkpoint(5, "Writing"), checkpoint(10, "Writing")], [(10, "Writing")]),
        ([checkpoint(5), checkpoint(10, "Writing")], [(5, "Complete"), (10, "Writing")]),
        ([checkpoint(5), checkpoint(5, "Damaged")], [(5, "Damaged")]),
        ([checkpoint(5, "Damaged"), checkpoint(5)], [(5, "Damaged")]),
        ([checkpoint(0, step=1), checkpoint(0, step=2)], [(0, "Complete"), (0, "Complete")]),
        ([checkpoint(5, uri="s3://b/x"), checkpoint(6, uri="s3://b/x")], [(5, "Complete")]),
        (
            [checkpoint(10, "Writing"), checkpoint(5, "Damaged")],
            [(10, "Writing"), (5, "Damaged")],
        ),
    ],
)
def test_newer_report_replaces_a_pending_one(
    reports: list[object], left: list[tuple[int, str]]
) -> None:
    assert epochs(told(*reports)) == left


def test_pending_checkpoints_are_limited() -> None:
    pending = told(*(checkpoint(epoch) for epoch in range(1000)))
    assert len(pending.of(JOB).checkpoints) == MAX_PENDING


async def test_waiting_ends_when_the_checkpoint_is_written() -> None:
    pending = told(checkpoint(5))
    first = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    second = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    pending.mark_written(JOB, status(checkpoint(5)))
    assert all(await asyncio.gather(first, second))
    assert await pending.wait_until_written(JOB, checkpoint(5), 0)


async def test_waiting_ends_after_the_timeout() -> None:
    assert not await told(checkpoint(5)).wait_until_written(JOB, checkpoint(5), 0.01)


async def test_cancelled_waiter_does_not_end_the_others() -> None:
    pending = told(checkpoint(5))
    first = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    second = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    pending.mark_written(JOB, status(checkpoint(5)))
    assert await second


async def test_waiting_ends_when_the_attempt_ends() -> None:
    pending = told(checkpoint(5))
    waiting = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    pending.mark_written(JOB, status(attempt=2))
    assert not await asyncio.wait_for(waiting, 1)


async def test_late_checkpoint_written_after_the_attempt_is_acknowledged() -> None:
    pending = told(checkpoint(5))
    waiting = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    pending.mark_written(JOB, status(checkpoint(5), attempt=2))
    assert await waiting


async def test_forgotten_job_ends_all_waiting() -> None:
    pending = told(checkpoint(5))
    waiting = asyncio.create_task(pending.wait_until_written(JOB, checkpoint(5), 5))
    await asyncio.sleep(0)
    pending.forget(JOB)
    pending.forget(JOB)
    assert not await asyncio.wait_for(waiting, 1)
    assert not epochs(pending)


async def test_checkpoint_written_before_the_start_counts() -> None:
    pending = PendingReports()
    pending.mark_written(JOB, status(checkpoint(5)))
    pending.checkpoint(JOB, checkpoint(5))
    assert not epochs(pending)
    assert await pending.wait_until_written(JOB, checkpoint(5), 0)


def test_checkpoints_dropped_by_written_statuses_are_expired() -> None:
    pending = PendingReports()
    first = status(checkpoint(15), checkpoint(15), checkpoint(10), checkpoint(5))
    second = status(checkpoint(20), checkpoint(20), checkpoint(15))
    pending.mark_written(JOB, second, before=first)
    pending.mark_written(JOB, second, before=second)
    assert pending.expired(JOB) == (f"{FOLDER}/epoch-10", f"{FOLDER}/epoch-5")
    pending.forget(JOB)
    assert pending.expired(JOB) == ()


def test_newest_expired_checkpoints_are_kept() -> None:
    pending = PendingReports()
    for epoch in range(MAX_EXPIRED + 2):
        pending.mark_written(JOB, status(), before=status(checkpoint(0), checkpoint(epoch)))
    assert pending.expired(JOB) == tuple(f"{FOLDER}/epoch-{n}" for n in range(2, MAX_EXPIRED + 2))
