"""Holds the workers' reports that are not yet written into the jobs' statuses.

They are held in memory alone, so a report costs no write. The reconciler reads a snapshot (`of`), writes
the job's status, and passes the written status to `mark_written`. Only then is a checkpoint
acknowledged. This module reads no clock and does no I/O: times come with the reports.
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
"""Most checkpoints of a job that wait for a status write. The oldest are dropped first; none of them
was acknowledged."""
MAX_EXPIRED = 10
"""Most URIs of a job that its workers may delete. The oldest are dropped first;
nobody deletes them then."""


@dataclass(slots=True)
class _JobReports:
    """The reports of one job. `written` are the keys of the checkpoints in its status."""

    attempt: int = 0
    progress: ProgressReport | None = None
    rate: EpochRate = field(default_factory=EpochRate)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    pending: dict[tuple[int, str], CheckpointReport] = field(default_factory=dict)
    written: frozenset[CheckpointKey] = frozenset()
    waiters: dict[CheckpointKey, asyncio.Future[bool]] = field(default_factory=dict)
    expired: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EXPIRED))

    def turn_to(self, attempt: int) -> None:
        """Forgets the reports of earlier attempts, which can no longer be written."""
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
        self.resolve(report.key, written=False)

    def resolve(self, key: CheckpointKey, *, written: bool) -> None:
        waiter = self.waiters.pop(key, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(written)


class PendingReports:
    """The reports of workers, by job UID, until they are in a written status.

    The report handler puts reports in and waits for checkpoints. The reconciler reads them with `of`
    and says with `mark_written` what it wrote.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, _JobReports] = {}

    def progress(self, job_uid: str, report: ProgressReport) -> None:
        job = self._job(job_uid)
        if report.attempt < job.attempt:
            return
        job.turn_to(report.attempt)
        job.heartbeats.beat(report.rank, report.at, report.step)
        if report.rank == 0:
            _advance(job, report)

    def checkpoint(self, job_uid: str, report: CheckpointReport) -> None:
        """Keeps the checkpoint until it is written. A repeated report keeps the time of the first."""
        job = self._job(job_uid)
        if report.attempt < job.attempt or report.key in job.written:
            return
        job.turn_to(report.attempt)
        known = job.pending.get((report.epoch, report.uri))
        if known is not None and (known.state == report.state or report.state == "Writing"):
            return
        _make_room(job, report)
        job.pending[report.epoch, report.uri] = report

    def of(self, job_uid: str) -> Reports:
        job = self._jobs.get(job_uid)
        if job is None:
            return Reports()
        return Reports(
            progress=job.progress,
            checkpoints=tuple(job.pending.values()),
            epoch_seconds=job.rate.epoch_seconds,
            heartbeats=job.heartbeats,
        )

    def knows(self, job_uid: str, epoch: int, uri: str) -> bool:
        """True if a checkpoint, in whatever state, waits for a status write."""
        job = self._jobs.get(job_uid)
        return job is not None and (epoch, uri) in job.pending

    def expired(self, job_uid: str) -> tuple[str, ...]:
        """URIs of checkpoints that the written status no longer keeps: workers may delete them."""
        job = self._jobs.get(job_uid)
        return tuple(job.expired) if job is not None else ()

    async def wait_until_written(
        self, job_uid: str, report: CheckpointReport, timeout: float
    ) -> bool:
        """Waits until the checkpoint is in the job's status. False if that does not happen in time."""
        job = self._job(job_uid)
        if report.key in job.written:
            return True
        if not job.awaits(report.key):
            return False
        waiter = job.waiters.get(report.key)
        if waiter is None:
            waiter = job.waiters[report.key] = asyncio.get_running_loop().create_future()
        await asyncio.wait((waiter,), timeout=timeout)
        return waiter.done() and waiter.result()

    def mark_written(
        self, job_uid: str, status: StargateJobStatus, *, before: StargateJobStatus | None = None
    ) -> None:
        """Notes the checkpoints in a written status. `before` is the status that it replaced."""
        job = self._job(job_uid)
        job.written = _keys(status)
        if before is not None:
            job.expired.extend(dropped(before.checkpoints, status.checkpoints))
        for report in [report for report in job.pending.values() if report.key in job.written]:
            del job.pending[report.epoch, report.uri]
        for key in job.written & job.waiters.keys():
            job.resolve(key, written=True)
        job.turn_to(status.attempt)

    def forget(self, job_uid: str) -> None:
        job = self._jobs.pop(job_uid, _JobReports())
        for key in list(job.waiters):
            job.resolve(key, written=False)

    def _job(self, job_uid: str) -> _JobReports:
        job = self._jobs.get(job_uid)
        if job is None:
            job = self._jobs[job_uid] = _JobReports()
        return job


def _advance(job: _JobReports, report: ProgressReport) -> None:
    """Takes the newer values. A value that the report leaves out stays as it was."""
    before = job.progress
    if before is not None:
        report = replace(
            report,
            epoch=before.epoch if report.epoch is None else report.epoch,
            step=before.step if report.step is None else report.step,
            metrics=report.metrics or before.metrics,
        )
    job.progress = report
    if report.epoch is not None:
        job.rate.saw(report.epoch, report.at)


def _make_room(job: _JobReports, report: CheckpointReport) -> None:
    """Drops the checkpoints that the report replaces, and the oldest, so that
    no rank can fill the memory."""
    for other in [other for other in job.pending.values() if _superseded(other, report)]:
        job.drop(other)
    while len(job.pending) >= MAX_PENDING:
        job.drop(next(iter(job.pending.values())))


def _superseded(other: CheckpointReport, report: CheckpointReport) -> bool:
    """True for the same checkpoint in another state, and for an unfinished one:
    workers write one at a time."""
    same = (other.epoch, other.uri) == (report.epoch, report.uri)
    return same or (other.state == "Writing" and report.state != "Damaged")


def _keys(status: StargateJobStatus) -> frozenset[CheckpointKey]:
    checkpoints = status.checkpoints
    if checkpoints is None:
        return frozenset()
    listed = [*checkpoints.history, *([checkpoints.latest] if checkpoints.latest else [])]
    return frozenset((known.epoch, known.uri, known.state) for known in listed)
