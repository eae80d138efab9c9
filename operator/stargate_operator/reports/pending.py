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
from stargate_operator.model.reports import CheckpointKey, CheckpointReport, ProgressReport, Reports
from stargate_operator.reports.training_rate import TrainingRate
from stargate_types.position import Position
from stargate_types.status import StargateJobStatus

MAX_PENDING = 16
"""Most checkpoints of a job that wait for a status write. The oldest are dropped first; none of them
was acknowledged."""
MAX_EXPIRED = 10
"""Most URIs of a job that its workers may delete. The oldest are dropped first;
nobody deletes them then."""


@dataclass(slots=True)
class _JobReports:
    """The reports of one job. `pending` are the checkpoints by URI, `written` the keys of those in
    its status."""

    attempt: int = 0
    progress: ProgressReport | None = None
    epoch_rate: TrainingRate = field(default_factory=TrainingRate)
    step_rate: TrainingRate = field(default_factory=TrainingRate)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    pending: dict[str, CheckpointReport] = field(default_factory=dict)
    written: frozenset[CheckpointKey] = frozenset()
    waiters: dict[CheckpointKey, asyncio.Future[bool]] = field(default_factory=dict)
    expired: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EXPIRED))

    def turn_to(self, attempt: int) -> None:
        """Forgets the reports of earlier attempts, which can no longer be written."""
        if attempt <= self.attempt:
            return
        self.attempt = attempt
        self.progress = None
        self.epoch_rate, self.step_rate = TrainingRate(), TrainingRate()
        self.heartbeats = Heartbeats()
        for report in [old for old in self.pending.values() if old.attempt < attempt]:
            self.drop(report)

    def awaits(self, key: CheckpointKey) -> bool:
        report = self.pending.get(key.uri)
        return report is not None and report.key == key

    def drop(self, report: CheckpointReport) -> None:
        del self.pending[report.uri]
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
        """Keeps the checkpoint until it is written. A repeated report keeps the time of the first, and
        nothing that is said of a damaged one changes it."""
        job = self._job(job_uid)
        if report.attempt < job.attempt or report.key in job.written:
            return
        job.turn_to(report.attempt)
        known = job.pending.get(report.uri)
        if known is not None and not _goes_beyond(report, known):
            return
        _make_room(job, report)
        job.pending[report.uri] = report

    def of(self, job_uid: str) -> Reports:
        job = self._jobs.get(job_uid)
        if job is None:
            return Reports()
        return Reports(
            progress=job.progress,
            checkpoints=tuple(job.pending.values()),
            epoch_seconds=job.epoch_rate.seconds,
            step_seconds=job.step_rate.seconds,
            heartbeats=job.heartbeats,
        )

    def position(self, job_uid: str, uri: str) -> Position | None:
        """The position of a checkpoint that waits for a status write, in whatever state."""
        job = self._jobs.get(job_uid)
        report = job.pending.get(uri) if job is not None else None
        return report.position if report is not None else None

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
            del job.pending[report.uri]
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
            total_steps=before.total_steps if report.total_steps is None else report.total_steps,
            metrics=report.metrics or before.metrics,
        )
    job.progress = report
    if report.epoch is not None:
        job.epoch_rate.saw(report.epoch, report.at)
    if report.step is not None:
        job.step_rate.saw(report.step, report.at)


_STATES = ("Writing", "Complete", "Damaged")


def _goes_beyond(report: CheckpointReport, known: CheckpointReport) -> bool:
    """A checkpoint is being written, then complete, then perhaps damaged, and never goes back."""
    return _STATES.index(report.state) > _STATES.index(known.state)


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
    return other.uri == report.uri or (other.state == "Writing" and report.state != "Damaged")


def _keys(status: StargateJobStatus) -> frozenset[CheckpointKey]:
    checkpoints = status.checkpoints
    if checkpoints is None:
        return frozenset()
    listed = [*checkpoints.history, *([checkpoints.latest] if checkpoints.latest else [])]
    return frozenset(CheckpointKey.of(known.position, known.uri, known.state) for known in listed)
