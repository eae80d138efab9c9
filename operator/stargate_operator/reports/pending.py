"""What workers reported and what of it is not yet written down.

Held in memory alone, by job UID: a report costs no write. The reconciler reads a snapshot (`of`),
writes the job's status, and says what now stands (`mark_written`); only then is a checkpoint
acknowledged. Reads no clock and does no I/O: times come with the reports.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

from stargate_operator.model.checkpoints import dropped
from stargate_operator.model.heartbeats import Heartbeats
from stargate_operator.model.reports import CheckpointReport, ProgressReport, Reports
from stargate_operator.reports.epoch_rate import EpochRate
from stargate_operator.reports.job_lookup import CheckpointKey
from stargate_types.status import StargateJobStatus

MAX_PENDING = 16
"""Checkpoints of a job that wait for a status write; the oldest go first, none was acknowledged."""
MAX_EXPIRED = 10
"""URIs of a job that its workers may delete; the oldest go first, and then nobody deletes them."""


@dataclass(slots=True)
class _JobReports:
    """What the ledger holds of one job."""

    attempt: int = 0
    progress: ProgressReport | None = None
    rate: EpochRate = field(default_factory=EpochRate)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    pending: dict[tuple[int, str], CheckpointReport] = field(default_factory=dict)
    view: frozenset[CheckpointKey] = frozenset()
    waiters: dict[CheckpointKey, asyncio.Future[bool]] = field(default_factory=dict)
    expired: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EXPIRED))

    def turn_to(self, attempt: int) -> None:
        """Forgets what earlier attempts reported; nothing of theirs can come to stand any more."""
        if attempt <= self.attempt:
            return
        self.attempt = attempt
        self.progress = None
        self.rate = EpochRate()
        self.heartbeats = Heartbeats()
        for report in [old for old in self.pending.values() if old.attempt < attempt]:
            self.drop(report)

    def awaits(self, key: CheckpointKey) -> bool:
        report = self.pending.get(key[:2])
        return report is not None and report.key == key

    def drop(self, report: CheckpointReport) -> None:
        del self.pending[report.epoch, report.uri]
        self.resolve(report.key, stands=False)

    def resolve(self, key: CheckpointKey, *, stands: bool) -> None:
        waiter = self.waiters.pop(key, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(stands)


class PendingReports:
    """What workers reported, by job UID, until it is in a written status.

    The report handler puts reports in and waits for checkpoints. The reconciler reads them with `of`
    and says with `mark_written` what it wrote.
    """

    def __init__(self) -> None:
        self._pages: dict[str, _JobReports] = {}

    def progress(self, job_uid: str, report: ProgressReport) -> None:
        page = self._page(job_uid)
        if report.attempt < page.attempt:
            return
        page.turn_to(report.attempt)
        page.heartbeats.beat(report.rank, report.at, report.step)
        if report.rank == 0:
            _advance(page, report)

    def checkpoint(self, job_uid: str, report: CheckpointReport) -> None:
        """Keeps it until it stands. A repeat keeps the time of the first report."""
        page = self._page(job_uid)
        if report.attempt < page.attempt or report.key in page.view:
            return
        page.turn_to(report.attempt)
        known = page.pending.get((report.epoch, report.uri))
        if known is not None and (known.state == report.state or report.state == "Writing"):
            return
        _make_room(page, report)
        page.pending[report.epoch, report.uri] = report

    def of(self, job_uid: str) -> Reports:
        page = self._pages.get(job_uid)
        if page is None:
            return Reports()
        return Reports(
            progress=page.progress,
            checkpoints=tuple(page.pending.values()),
            epoch_seconds=page.rate.epoch_seconds,
            heartbeats=page.heartbeats,
        )

    def knows(self, job_uid: str, epoch: int, uri: str) -> bool:
        """Whether a checkpoint, in whatever state, waits to be written down."""
        page = self._pages.get(job_uid)
        return page is not None and (epoch, uri) in page.pending

    def expired(self, job_uid: str) -> tuple[str, ...]:
        """URIs of checkpoints that the written status no longer keeps: workers may delete them."""
        page = self._pages.get(job_uid)
        return tuple(page.expired) if page is not None else ()

    async def view(self, job_uid: str, report: CheckpointReport, timeout: float) -> bool:
        """Waits until it stands in the job's status; False if it does not come to that in time."""
        page = self._page(job_uid)
        if report.key in page.view:
            return True
        if not page.awaits(report.key):
            return False
        waiter = page.waiters.get(report.key)
        if waiter is None:
            waiter = page.waiters[report.key] = asyncio.get_running_loop().create_future()
        await asyncio.wait((waiter,), timeout=timeout)
        return waiter.done() and waiter.result()

    def mark_written(
        self, job_uid: str, status: StargateJobStatus, *, before: StargateJobStatus | None = None
    ) -> None:
        """Takes note of a status that was written. `before` is the status that it replaced."""
        page = self._page(job_uid)
        page.view = _keys(status)
        if before is not None:
            page.expired.extend(dropped(before.checkpoints, status.checkpoints))
        for report in [report for report in page.pending.values() if report.key in page.view]:
            del page.pending[report.epoch, report.uri]
        for key in page.view & page.waiters.keys():
            page.resolve(key, stands=True)
        page.turn_to(status.attempt)

    def forget(self, job_uid: str) -> None:
        page = self._pages.pop(job_uid, _JobReports())
        for key in list(page.waiters):
            page.resolve(key, stands=False)

    def _page(self, job_uid: str) -> _JobReports:
        page = self._pages.get(job_uid)
        if page is None:
            page = self._pages[job_uid] = _JobReports()
        return page


def _advance(page: _JobReports, report: ProgressReport) -> None:
    """A report that leaves something out does not unsay it."""
    before = page.progress
    if before is not None:
        report = replace(
            report,
            epoch=before.epoch if report.epoch is None else report.epoch,
            step=before.step if report.step is None else report.step,
            metrics=report.metrics or before.metrics,
        )
    page.progress = report
    if report.epoch is not None:
        page.rate.saw(report.epoch, report.at)


def _make_room(page: _JobReports, report: CheckpointReport) -> None:
    """Drops what the report supersedes; a rank that reports without end fills no memory."""
    for other in [other for other in page.pending.values() if _superseded(other, report)]:
        page.drop(other)
    while len(page.pending) >= MAX_PENDING:
        page.drop(next(iter(page.pending.values())))


def _superseded(other: CheckpointReport, report: CheckpointReport) -> bool:
    """The same checkpoint in another state, or an unfinished one: one is written at a time."""
    same = (other.epoch, other.uri) == (report.epoch, report.uri)
    return same or (other.state == "Writing" and report.state != "Damaged")


def _keys(status: StargateJobStatus) -> frozenset[CheckpointKey]:
    checkpoints = status.checkpoints
    if checkpoints is None:
        return frozenset()
    listed = [*checkpoints.history, *([checkpoints.latest] if checkpoints.latest else [])]
    return frozenset((known.epoch, known.uri, known.state) for known in listed)
