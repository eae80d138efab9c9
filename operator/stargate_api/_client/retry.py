"""Decides when a request is tried again and for how long. No other module does.

Transient failures are tried again: no connection, a busy server (429, which may say when to come
back), a server error (5xx). Every request of this client is safe to repeat: a read, a change to a
stated value, a deletion, or a creation under a name that only this call uses.
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

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long one call tries. `timeout` is in seconds and includes the retries.

    `jitter` returns a number from 0 to 1; the delay before a retry shrinks with it by up to half.
    """

    timeout: float = 30.0
    retries: int = 5
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def outlasting_restarts(self) -> "RetryPolicy":
        """The policy of a call that follows a job: it outlasts a restart of the API server."""
        return replace(self, timeout=max(self.timeout, 300.0), retries=max(self.retries, 100))

    def with_one_retry(self) -> "RetryPolicy":
        """The policy of a log request: the kubelet answers it, and its refusal rarely changes."""
        return replace(self, retries=min(self.retries, 1))

    def delay(self, attempt: int, outcome: Answer | Failure) -> float:
        """Seconds to wait after try number `attempt`, counted from 0.

        The delay doubles with each try. The random part keeps many clients from coming back at the
        same moment. A server that asks for a time gets at least that.
        """
        backoff = min(FIRST_DELAY_SECONDS * 2.0**attempt, LONGEST_DELAY_SECONDS)
        asked = outcome.retry_after if isinstance(outcome, Answer) else None
        return max(backoff * (1 - self.jitter() / 2), asked or 0.0)


def ask(request: Request, retry_policy: RetryPolicy) -> Call[Answer]:
    """Yields the server's answer, a refusal included. Raises Timeout or Unreachable without one."""
    answer = yield from _send_with_retries(request, retry_policy)
    return cast("Answer", answer)


def open_stream(request: Request, retry_policy: RetryPolicy) -> Call[Answer | Stream]:
    """Yields a stream where the server accepts the request, and its answer where it refuses."""
    return (yield from _send_with_retries(replace(request, streamed=True), retry_policy))


def _send_with_retries(request: Request, retry_policy: RetryPolicy) -> Call[Answer | Stream]:
    deadline = retry_policy.clock() + retry_policy.timeout
    for attempt in count():
        left = max(deadline - retry_policy.clock(), 0.1)
        timeout = request.timeout if request.streamed else min(request.timeout, left)
        outcome = yield replace(request, timeout=timeout)
        if not _is_transient(outcome):
            return cast("Answer | Stream", outcome)
        delay = retry_policy.delay(attempt, outcome)
        if attempt >= retry_policy.retries or retry_policy.clock() + delay > deadline:
            raise _give_up_error(outcome, attempt + 1)
        yield Pause(delay)
    raise AssertionError("count() does not end")


def _is_transient(outcome: Answer | Failure | Stream) -> bool:
    match outcome:
        case Answer(status):
            return status == _TOO_MANY_REQUESTS or status >= 500
        case Failure(message, final=True):
            raise Unreachable(message)
        case Failure():
            return True
        case _:
            return False


def _give_up_error(outcome: Answer | Failure, tries: int) -> Exception:
    tried = f"tried {tries} times" if tries > 1 else "tried once"
    if isinstance(outcome, Answer):
        problem = f"the API server answers {outcome.status}, {message_of(outcome)!r}"
        return Unreachable(f"{problem} ({tried}): it is busy or has an error; try again later")
    if outcome.timed_out:
        return Timeout(
            f"{outcome.message} ({tried}): give the client a longer timeout, or check the server"
        )
    return Unreachable(
        f"{outcome.message} ({tried}): check the endpoint, that its host can be reached from here,"
        " and that the cluster is up"
    )
