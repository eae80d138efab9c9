"""Tells the operator how far the training is, from a thread of its own.

The training loop only leaves its newest word here; what was not sent yet is overtaken by it. A
report goes out at the interval that the last answer gave, and only when the loop (or a shard being
written) gave a sign of life since the last one: a loop that hangs falls silent, so that the
operator can find it. A forked child inherits the object and not the thread: it says nothing.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from stargate_worker.protocol import Again, Checkpoint, Over, Refused, Report, Taken, Verdict
from stargate_worker.report_client import ReportClient, pause

AFTER_REFUSAL_SECONDS = 10.0
_FIRST_REPORTS_PER_SECOND = 100.0

_log = logging.getLogger(__name__)


class Reporter:
    """`first_within`: a gang starts all at once, and is not to report all at once."""

    def __init__(self, client: ReportClient, *, first_within: float = 0.0) -> None:
        self._client = client
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._news = Report()
        self._fresh = False
        self._closing = False
        self._failures = 0
        self._due = time.monotonic() + random.uniform(0.0, first_within)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="stargate-reports", daemon=True)
        self._thread.start()

    def report(
        self,
        *,
        epoch: int | None = None,
        step: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """What it leaves out stays as it was."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._news = Report(
                epoch=self._news.epoch if epoch is None else epoch,
                step=self._news.step if step is None else step,
                metrics=metrics or self._news.metrics,
                checkpoint=self._news.checkpoint,
            )
            self._fresh = True
            self._changed.notify()

    def announce(self, checkpoint: Checkpoint | None) -> None:
        """A checkpoint that is being written goes with the next report; None takes it back."""
        with self._changed:
            self._news = replace(self._news, checkpoint=checkpoint)
            self._fresh = self._fresh or checkpoint is not None
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Sends what is not sent yet, if that works out in time."""
        if self._thread is None or os.getpid() != self._pid:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while (news := self._next()) is not None:
            verdict = self._client.say(news)
            if isinstance(verdict, Over):
                return
            self._digest(verdict, news)

    def _next(self) -> Report | None:
        """Waits for something to say and for its time; None when all is said and done."""
        with self._changed:
            while not self._closing and (left := self._left()) != 0:
                self._changed.wait(left)
            if self._closing and (not self._fresh or self._failures > 1):
                return None
            self._fresh = False
            return self._news

    def _left(self) -> float | None:
        return max(self._due - time.monotonic(), 0.0) if self._fresh else None

    def _digest(self, verdict: Verdict, news: Report) -> None:
        with self._changed:
            if news.checkpoint is not None and self._news.checkpoint is news.checkpoint:
                announced = not isinstance(verdict, Again)
                self._news = replace(self._news, checkpoint=None) if announced else self._news
            match verdict:
                case Taken(next_report_seconds=seconds):
                    self._failures, wait = 0, seconds
                case Refused(why):
                    wait = self._refused(why, news)
                case _:
                    self._fresh, self._failures = True, self._failures + 1
                    wait = pause(verdict, self._failures)
            self._due = time.monotonic() + wait

    def _refused(self, why: str, news: Report) -> float:
        """An announcement may come too late, and takes the progress beside it down with it."""
        if news.checkpoint is not None:
            self._fresh = True
            return 0.0
        _log.error("a report is refused: %s", why)
        return AFTER_REFUSAL_SECONDS


def first_within(nodes: int, node_rank: int) -> float:
    """Seconds over which a gang spreads its first reports; rank 0 is awaited."""
    return 0.0 if node_rank == 0 else nodes / _FIRST_REPORTS_PER_SECOND
