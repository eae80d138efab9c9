"""Reports the progress of training to the operator, from a thread of its own.

The training loop only stores its newest values here; they replace values that were not sent yet. A
report goes out at the interval that the last answer gave, and only if the loop (or a shard that is
being written) gave a sign of life since the last one. So a loop that hangs stops reporting, and the
operator notices. A forked child inherits the object without the thread, and reports nothing.

See docs/decisions/0018-signs-of-life-come-from-the-loop.md.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from stargate_worker.protocol import (
    Accepted,
    AttemptEnded,
    Checkpoint,
    Refused,
    Report,
    Retry,
    Verdict,
)
from stargate_worker.report_client import ReportClient, pause

AFTER_REFUSAL_SECONDS = 10.0
_FIRST_REPORTS_PER_SECOND = 100.0

_log = logging.getLogger(__name__)


class Reporter:
    """Reports for one worker. The first report waits a random time of up to `first_within` seconds,
    because the ranks of a gang start at the same moment."""

    def __init__(self, client: ReportClient, *, first_within: float = 0.0) -> None:
        self._client = client
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._pending = Report()
        self._fresh = False
        self._closing = False
        self._failures = 0
        self._due = time.monotonic() + random.uniform(0.0, first_within)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="stargate-reports", daemon=True)
        self._thread.start()

    def report(
        self,
        *,
        epoch: int | None = None,
        step: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Stores values for the next report. Values that are None stay as they were."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._pending = Report(
                epoch=self._pending.epoch if epoch is None else epoch,
                step=self._pending.step if step is None else step,
                metrics=metrics or self._pending.metrics,
                checkpoint=self._pending.checkpoint,
            )
            self._fresh = True
            self._changed.notify()

    def announce(self, checkpoint: Checkpoint | None) -> None:
        """Adds a checkpoint that is being written to the next report; None removes it."""
        with self._changed:
            self._pending = replace(self._pending, checkpoint=checkpoint)
            self._fresh = self._fresh or checkpoint is not None
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Sends what is not sent yet and ends the thread; waits for it `seconds` at most."""
        if self._thread is None or os.getpid() != self._pid:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while (report := self._next()) is not None:
            verdict = self._client.send(report)
            if isinstance(verdict, AttemptEnded):
                return
            self._digest(verdict, report)

    def _next(self) -> Report | None:
        """Waits until a report is due; None when the reporter closes and nothing is left to send."""
        with self._changed:
            while not self._closing and (left := self._left()) != 0:
                self._changed.wait(left)
            if self._closing and (not self._fresh or self._failures > 1):
                return None
            self._fresh = False
            return self._pending

    def _left(self) -> float | None:
        return max(self._due - time.monotonic(), 0.0) if self._fresh else None

    def _digest(self, verdict: Verdict, report: Report) -> None:
        with self._changed:
            if report.checkpoint is not None and self._pending.checkpoint is report.checkpoint:
                announced = not isinstance(verdict, Retry)
                self._pending = (
                    replace(self._pending, checkpoint=None) if announced else self._pending
                )
            match verdict:
                case Accepted(next_report_seconds=seconds):
                    self._failures, wait = 0, seconds
                case Refused(why):
                    wait = self._refused(why, report)
                case _:
                    self._fresh, self._failures = True, self._failures + 1
                    wait = pause(verdict, self._failures)
            self._due = time.monotonic() + wait

    def _refused(self, why: str, report: Report) -> float:
        """Sends the progress again without the checkpoint, whose announcement may come too late."""
        if report.checkpoint is not None:
            self._fresh = True
            return 0.0
        _log.error("a report is refused: %s", why)
        return AFTER_REFUSAL_SECONDS


def first_within(nodes: int, node_rank: int) -> float:
    """Seconds over which a gang spreads its first reports. Rank 0 does not wait: it has the progress."""
    return 0.0 if node_rank == 0 else nodes / _FIRST_REPORTS_PER_SECOND
