"""A worker's line to the operator: one report after another, and what its answers mean for it.

Nothing here may end a training: whatever goes wrong between here and the operator is a verdict, not
an error. Used by several threads; each report is a connection of its own. The token is read for
each, and is never logged.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

from stargate_worker.errors import AttemptOver, CheckpointRefused, NotAcknowledged
from stargate_worker.protocol import (
    Again,
    Checkpoint,
    Gone,
    Over,
    Refused,
    Reply,
    Report,
    Taken,
    Verdict,
    judge,
)
from stargate_worker.shutdown import Shutdown

ANSWER_SECONDS = 20.0
"""Longer than the operator takes at most to write a checkpoint down."""
GONE_SECONDS = 15.0
"""How long a job must not be known until its workers give up."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_LOOK_SECONDS = 0.25
"""How often who waits looks whether it is still worth it: a signal handler can wake nobody."""

_log = logging.getLogger(__name__)

Post = Callable[[str, bytes, float], Reply]
"""Token, body, seconds; raises where no answer comes."""


class OnTaken(Protocol):
    def __call__(self, answer: Taken, /) -> None: ...


class ReportClient:
    def __init__(
        self,
        post: Post,
        token: Callable[[], str],
        shutdown: Shutdown,
        *,
        on_taken: OnTaken = lambda _: None,
        gone_seconds: float = GONE_SECONDS,
    ) -> None:
        self._post = post
        self._token = token
        self._shutdown = shutdown
        self._on_taken = on_taken
        self._gone_seconds = gone_seconds
        self._away_since: float | None = None
        self._gone_since: float | None = None

    def say(self, report: Report, seconds: float = ANSWER_SECONDS) -> Verdict:
        if self._shutdown.over:
            return Over(self._shutdown.over)
        verdict = self._believed(self._post_report(report, seconds))
        self._note(verdict)
        return verdict

    def insist(self, checkpoint: Checkpoint, give_up: Callable[[], bool]) -> None:
        """Until the operator has acknowledged it; raises what became of it otherwise."""
        report, failures = Report(checkpoint=checkpoint), 0
        while not give_up():
            verdict = self.say(report)
            match verdict:
                case Taken() if verdict.acknowledges(checkpoint):
                    return
                case Over(why):
                    raise AttemptOver(why)
                case Refused(why):
                    raise CheckpointRefused(f"the operator refuses {checkpoint.uri}: {why}")
            failures += 1
            _sleep(pause(verdict, failures), give_up)
        raise NotAcknowledged(
            f"{checkpoint.uri} is {checkpoint.state}, and the operator has not acknowledged it in"
            " the time there was"
        )

    def _post_report(self, report: Report, seconds: float) -> Verdict:
        try:
            return judge(self._post(self._token(), report.encode(), seconds))
        except Exception as error:
            return Again(f"{type(error).__name__}: {error}")

    def _believed(self, verdict: Verdict) -> Verdict:
        """That the job is gone is believed when it is said for a while."""
        if not isinstance(verdict, Gone):
            self._gone_since = None
            return verdict
        if self._gone_since is None:
            self._gone_since = time.monotonic()
        if time.monotonic() - self._gone_since >= self._gone_seconds:
            return Over(verdict.why)
        return Again(verdict.why, after=1.0)

    def _note(self, verdict: Verdict) -> None:
        match verdict:
            case Taken():
                self._is_back()
                if verdict.stop:
                    self._shutdown.request()
                self._on_taken(verdict)
            case Over(why):
                self._shutdown.end_attempt(why)
            case Again(why):
                self._is_away(why)

    def _is_away(self, why: str) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("no report is taken at the moment (%s); training goes on", why)

    def _is_back(self) -> None:
        since, self._away_since = self._away_since, None
        if since is not None:
            _log.info("reports are taken again, after %.0f s", time.monotonic() - since)


def pause(verdict: Verdict, failures: int) -> float:
    """What the operator asks for, at least; spread, because a whole gang may be waiting."""
    asked = verdict.after if isinstance(verdict, Again) else 0.0
    backoff: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10))
    return asked + random.uniform(0.5, 1.0) * backoff


def _sleep(seconds: float, give_up: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not give_up():
        time.sleep(min(left, _LOOK_SECONDS))
