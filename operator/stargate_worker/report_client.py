"""Sends reports to the operator and acts on its answers.

Nothing here may end a training: every failure between here and the operator is a verdict, not an
exception. Several threads use it; each report has a connection of its own. The token is read for each
report and never logged.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

from stargate_worker.errors import AttemptOver, CheckpointRefused, NotAcknowledged
from stargate_worker.protocol import (
    Accepted,
    AttemptEnded,
    Checkpoint,
    JobUnknown,
    Refused,
    Reply,
    Report,
    Retry,
    Verdict,
    interpret,
)
from stargate_worker.shutdown import Shutdown

ANSWER_SECONDS = 20.0
"""Time limit of one report; longer than the operator takes at most to record a checkpoint."""
UNKNOWN_SECONDS = 15.0
"""Time after which a worker believes the answer that its job does not exist.

See docs/decisions/0015-workers-doubt-a-missing-job.md.
"""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_LOOK_SECONDS = 0.25
"""How often a pause checks whether to give up: a signal handler cannot wake a thread."""

_log = logging.getLogger(__name__)

Post = Callable[[str, bytes, float], Reply]
"""Sends a body with a token within some seconds. Raises where no answer comes."""


class OnAccepted(Protocol):
    """Called with each answer that accepts a report."""

    def __call__(self, answer: Accepted, /) -> None:
        """Takes the answer."""
        ...


class ReportClient:
    """Sends reports for one worker. Threads may share it."""

    def __init__(
        self,
        post: Post,
        token: Callable[[], str],
        shutdown: Shutdown,
        *,
        on_accepted: OnAccepted = lambda _: None,
        unknown_seconds: float = UNKNOWN_SECONDS,
    ) -> None:
        self._post = post
        self._token = token
        self._shutdown = shutdown
        self._on_taken = on_accepted
        self._unknown_seconds = unknown_seconds
        self._away_since: float | None = None
        self._unknown_since: float | None = None

    def send(self, report: Report, seconds: float = ANSWER_SECONDS) -> Verdict:
        """Sends one report once. Never raises; JobUnknown comes out as Retry or AttemptEnded."""
        if self._shutdown.attempt_over:
            return AttemptEnded(self._shutdown.attempt_over)
        verdict = self._confirmed(self._post_report(report, seconds))
        self._react(verdict)
        return verdict

    def send_until_acknowledged(self, checkpoint: Checkpoint, give_up: Callable[[], bool]) -> None:
        """Repeats the report of a checkpoint until the operator has acknowledged it.

        Raises AttemptOver, CheckpointRefused, or NotAcknowledged once `give_up` returns true.
        """
        report, failures = Report(checkpoint=checkpoint), 0
        while not give_up():
            verdict = self.send(report)
            match verdict:
                case Accepted() if verdict.acknowledges(checkpoint):
                    return
                case AttemptEnded(why):
                    raise AttemptOver(why)
                case Refused(why):
                    raise CheckpointRefused(f"the operator refuses {checkpoint.uri}: {why}")
            failures += 1
            _sleep(pause(verdict, failures), give_up)
        raise NotAcknowledged(
            f"{checkpoint.uri} is {checkpoint.state}, but the operator did not acknowledge it in"
            " time"
        )

    def _post_report(self, report: Report, seconds: float) -> Verdict:
        try:
            return interpret(self._post(self._token(), report.encode(), seconds))
        except Exception as error:
            return Retry(f"{type(error).__name__}: {error}")

    def _confirmed(self, verdict: Verdict) -> Verdict:
        """Believes that the job is unknown only after `unknown_seconds` of the same answer."""
        if not isinstance(verdict, JobUnknown):
            self._unknown_since = None
            return verdict
        if self._unknown_since is None:
            self._unknown_since = time.monotonic()
        if time.monotonic() - self._unknown_since >= self._unknown_seconds:
            return AttemptEnded(verdict.why)
        return Retry(verdict.why, after=1.0)

    def _react(self, verdict: Verdict) -> None:
        match verdict:
            case Accepted():
                self._is_back()
                if verdict.stop:
                    self._shutdown.request()
                self._on_taken(verdict)
            case AttemptEnded(why):
                self._shutdown.end_attempt(why)
            case Retry(why):
                self._is_away(why)

    def _is_away(self, why: str) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("the operator accepts no reports now (%s); training goes on", why)

    def _is_back(self) -> None:
        since, self._away_since = self._away_since, None
        if since is not None:
            _log.info("the operator accepts reports again, after %.0f s", time.monotonic() - since)


def pause(verdict: Verdict, failures: int) -> float:
    """Seconds until the next try: at least what the operator asks for, and growing with failures.

    A random part keeps the ranks of a gang from coming back at the same moment.
    """
    asked = verdict.after if isinstance(verdict, Retry) else 0.0
    backoff: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10))
    return asked + random.uniform(0.5, 1.0) * backoff


def _sleep(seconds: float, give_up: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not give_up():
        time.sleep(min(left, _LOOK_SECONDS))
