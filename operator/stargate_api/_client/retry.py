"""When a request is tried again, and for how long: the only place that decides it.

What may pass is tried again: no connection, a busy server (429, which says when to come back), a
sick one (5xx). Each request of this client is safe to repeat: a read, a change to a stated value, a
deletion, or a creation under a name that only this call uses.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import cast

from stargate_api._client.api_errors import message_of
from stargate_api._client.steps import Answer, Call, Failure, Pause, Request, Stream
from stargate_api.errors import Timeout, Unreachable

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
LONGEST_TRY = 10.0
_TOO_MANY = 429


@dataclass(frozen=True)
class RetryPolicy:
    """`timeout` is for a whole call, its retries included."""

    timeout: float = 30.0
    retries: int = 5
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def outlasting_restarts(self) -> "RetryPolicy":
        """For what follows a job all its life: it outlasts an API server's restart."""
        return replace(self, timeout=max(self.timeout, 300.0), retries=max(self.retries, 100))

    def with_one_retry(self) -> "RetryPolicy":
        """For what another than the API server answers, a kubelet, and soon for good."""
        return replace(self, retries=min(self.retries, 1))

    def delay(self, turn: int, outcome: Answer | Failure) -> float:
        """Doubling, less a random part of up to half, so that many clients do not come back as one.
        A server that names a time gets at least that."""
        backoff = min(FIRST_DELAY * 2.0**turn, LONGEST_DELAY) * (1 - self.jitter() / 2)
        asked = outcome.retry_after if isinstance(outcome, Answer) else None
        return max(backoff, asked or 0.0)


def ask(request: Request, retry_policy: RetryPolicy) -> Call[Answer]:
    """The server's answer, be it yes or no; raises when none came."""
    answer = yield from _send_with_retries(request, retry_policy)
    return cast("Answer", answer)


def open_stream(request: Request, retry_policy: RetryPolicy) -> Call[Answer | Stream]:
    """A stream where the server says yes, an answer where it says no."""
    return (yield from _send_with_retries(replace(request, streamed=True), retry_policy))


def _send_with_retries(request: Request, retry_policy: RetryPolicy) -> Call[Answer | Stream]:
    until = retry_policy.clock() + retry_policy.timeout
    for turn in count():
        left = max(until - retry_policy.clock(), 0.1)
        timeout = request.timeout if request.streamed else min(request.timeout, left)
        outcome = yield replace(request, timeout=timeout)
        if not _is_transient(outcome):
            return cast("Answer | Stream", outcome)
        delay = retry_policy.delay(turn, outcome)
        if turn >= retry_policy.retries or retry_policy.clock() + delay > until:
            raise _give_up_error(outcome, turn + 1)
        yield Pause(delay)
    raise AssertionError("count() does not end")


def _is_transient(outcome: Answer | Failure | Stream) -> bool:
    match outcome:
        case Answer(status):
            return status == _TOO_MANY or status >= 500
        case Failure(message, final=True):
            raise Unreachable(message)
        case Failure():
            return True
        case _:
            return False


def _give_up_error(outcome: Answer | Failure, tries: int) -> Exception:
    tried = f"tried {tries} times" if tries > 1 else "tried once"
    if isinstance(outcome, Answer):
        said = f"the API server answers {outcome.status}, {message_of(outcome)!r}"
        advice = "it is busy or unwell; try again later"
        return Unreachable(f"{said} ({tried}): {advice}")
    if outcome.timed_out:
        return Timeout(
            f"{outcome.message} ({tried}); give the client a longer timeout, or check it"
        )
    return Unreachable(
        f"{outcome.message} ({tried}): check the endpoint, that its host can be reached from here,"
        " and that the cluster is up"
    )
