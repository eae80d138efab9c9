"""Finds the pod that sends a report: the API server reviews the bearer token and names the pod's UID.

The token is projected into the pod with audience stargate.dev and is bound to the pod. The API server
vouches for the pod's UID, so nobody can report for another pod. Reviews are a load on the API server, so
the answers are kept by the token's SHA-256, concurrent reviews of one token are one request, and few run
at a time. An error of the API server never counts as a bad token, because the worker would give up then.
Tokens are never logged and never part of a message.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec
import structlog

from stargate_operator.constants import REPORT_AUDIENCE, TOKEN_EXPIRATION_SECONDS
from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.reports.errors import ReportRefused, unauthorized, unavailable
from stargate_operator.telemetry import metrics

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
POD_UID = "authentication.kubernetes.io/pod-uid"

KEPT_TOKENS = 20_000
KEPT_REFUSALS = 2_000
REFUSAL_SECONDS = 10.0
OPAQUE_TOKEN_SECONDS = 600.0
"""How long an accepted token is trusted if its expiry cannot be read."""
REVIEWS_AT_ONCE = 16
REVIEW_TIMEOUT_SECONDS = 10.0
RETRY_AFTER_SECONDS = 2

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Reviewer(Protocol):
    """The part of the API client that is needed here."""

    async def create_for(self, path: str, body: bytes, as_: type[T]) -> T: ...


class _User(msgspec.Struct):
    extra: dict[str, list[str]] = {}


class _ReviewStatus(msgspec.Struct):
    authenticated: bool = False
    audiences: list[str] = []
    user: _User = msgspec.field(default_factory=_User)


class TokenReview(msgspec.Struct):
    """The API server's answer to a TokenReview."""

    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


class _Claims(msgspec.Struct):
    exp: float


class _Known(msgspec.Struct, frozen=True, gc=False):
    """The result of a review: the UID of the token's pod, or why the token is refused."""

    pod_uid: str
    refusal: str
    until: float


class _Recent:
    """The last used entries by token digest. Refusals have their own, so that a
    flood of them evicts no accepted token."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[bytes, _Known] = {}

    def get(self, key: bytes, now: float) -> _Known | None:
        known = self._entries.pop(key, None)
        if known is None or known.until <= now:
            return None
        self._entries[key] = known
        return known

    def put(self, key: bytes, known: _Known) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = known

    def __len__(self) -> int:
        return len(self._entries)


class TokenAuthenticator:
    """Authenticates the senders of reports by TokenReviews, and remembers the results.

    `clock` gives seconds since the epoch, as a token's `exp` does.
    """

    def __init__(self, reviewer: Reviewer, clock: Callable[[], float]) -> None:
        self._reviewer = reviewer
        self._clock = clock
        self._accepted = _Recent(KEPT_TOKENS)
        self._refused = _Recent(KEPT_REFUSALS)
        self._under_review: dict[bytes, asyncio.Task[_Known]] = {}
        self._free = asyncio.Semaphore(REVIEWS_AT_ONCE)

    async def pod_uid(self, token: str) -> str:
        """The UID of the pod that the token is bound to. Raises ReportRefused: 401, or 503 if the API
        server cannot answer."""
        key = hashlib.sha256(token.encode()).digest()
        known = self._remembered(key) or await self._reviewed(key, token)
        if known.refusal:
            raise unauthorized(known.refusal)
        return known.pod_uid

    async def close(self) -> None:
        reviews = list(self._under_review.values())
        for review in reviews:
            review.cancel()
        await asyncio.gather(*reviews, return_exceptions=True)

    def _remembered(self, key: bytes) -> _Known | None:
        now = self._clock()
        return self._accepted.get(key, now) or self._refused.get(key, now)

    async def _reviewed(self, key: bytes, token: str) -> _Known:
        """Waits for the one review of this token. It is shielded, because the
        first sender may hang up."""
        review = self._under_review.get(key)
        if review is None:
            review = self._under_review[key] = asyncio.create_task(self._review(key, token))
            review.add_done_callback(lambda done: self._conclude(key, done))
        return await asyncio.shield(review)

    def _conclude(self, key: bytes, review: asyncio.Task[_Known]) -> None:
        del self._under_review[key]
        if not review.cancelled():
            review.exception()  # retrieved, also if all senders have hung up

    async def _review(self, key: bytes, token: str) -> _Known:
        try:
            async with asyncio.timeout(REVIEW_TIMEOUT_SECONDS), self._free:
                answer = await self._reviewer.create_for(TOKEN_REVIEWS, _ask(token), TokenReview)
        except (ApiError, NotLeading, OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise _trouble(error) from None
        known = self._judge(answer.status, token)
        metrics.token_reviewed("refused" if known.refusal else "authenticated")
        (self._refused if known.refusal else self._accepted).put(key, known)
        return known

    def _judge(self, status: _ReviewStatus, token: str) -> _Known:
        now = self._clock()
        refusal = _why_not(status)
        if refusal:
            return _Known(pod_uid="", refusal=refusal, until=now + REFUSAL_SECONDS)
        return _Known(
            pod_uid=status.user.extra[POD_UID][0], refusal="", until=_believed_until(token, now)
        )


def _ask(token: str) -> bytes:
    return msgspec.json.encode(
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [REPORT_AUDIENCE]},
        }
    )


def _why_not(status: _ReviewStatus) -> str:
    """Why the token is refused, or nothing. The server's message is left out: it may quote the token."""
    if not status.authenticated:
        return f"the API server does not accept the token for audience {REPORT_AUDIENCE}"
    if REPORT_AUDIENCE not in status.audiences:
        return f"the token is not meant for audience {REPORT_AUDIENCE}"
    if not any(status.user.extra.get(POD_UID, ())):
        return "the token is not bound to a pod: send the one projected into the worker's pod"
    return ""


def _believed_until(token: str, now: float) -> float:
    """The time until which the token is trusted. The token's own claim can only shorten it."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="), type=_Claims)
    except (IndexError, binascii.Error, ValueError):
        return now + OPAQUE_TOKEN_SECONDS
    return min(claims.exp, now + TOKEN_EXPIRATION_SECONDS)


def _trouble(error: Exception) -> ReportRefused:
    metrics.token_reviewed("unavailable")
    kind = error.reason if isinstance(error, ApiError) else type(error).__name__
    _log.warning("a token could not be reviewed", trouble=kind)
    wait = error.retry_after if isinstance(error, ApiError) else None
    return unavailable(
        "the API server could not be asked about the token",
        retry_after=max(round(wait or 0), RETRY_AFTER_SECONDS),
    )
