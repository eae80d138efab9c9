import asyncio

import pytest

from stargate_kit.report_fakes import Reviewer, token, vouch
from stargate_operator.kube.errors import ApiError
from stargate_operator.reports import authentication
from stargate_operator.reports.authentication import TokenAuthenticator
from stargate_operator.reports.errors import ReportRefused

NOW = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


async def refused(authenticator: TokenAuthenticator, for_token: str) -> ReportRefused:
    with pytest.raises(ReportRefused) as caught:
        await authenticator.pod_uid(for_token)
    assert for_token not in caught.value.message
    return caught.value


async def test_a_token_is_reviewed_once() -> None:
    reviewer = Reviewer()
    authenticator = TokenAuthenticator(reviewer, Clock())
    assert [await authenticator.pod_uid(token("p1")) for _ in range(3)] == ["p1"] * 3
    assert reviewer.asked == 1


@pytest.mark.parametrize(
    ("exp", "believed"),
    [(NOW + 60, 60), (NOW + 10 * 86_400, 43_200), (NOW + 43_199, 43_199)],
)
async def test_token_is_trusted_until_it_expires(exp: float, believed: float) -> None:
    reviewer, clock = Reviewer(), Clock()
    authenticator = TokenAuthenticator(reviewer, clock)
    await authenticator.pod_uid(token("p1", exp=exp))
    clock.now = NOW + believed - 1
    await authenticator.pod_uid(token("p1", exp=exp))
    assert reviewer.asked == 1
    clock.now = NOW + believed
    await authenticator.pod_uid(token("p1", exp=exp))
    assert reviewer.asked == 2


@pytest.mark.parametrize("opaque", ["opaque", "a.!.c", "a.e30.c", "a.bm8ganNvbg.c", "ä.ö.ü"])
async def test_token_without_readable_expiry_is_trusted_for_minutes(opaque: str) -> None:
    reviewer, clock = Reviewer(answer=lambda _: vouch(token("p1"))), Clock()
    authenticator = TokenAuthenticator(reviewer, clock)
    await authenticator.pod_uid(opaque)
    clock.now += authentication.OPAQUE_TOKEN_SECONDS
    await authenticator.pod_uid(opaque)
    assert reviewer.asked == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"authenticated": False, "error": "invalid bearer token"}, "does not accept"),
        ({"audiences": ["https://kubernetes.default.svc"]}, "audience stargate.dev"),
        ({"audiences": []}, "audience stargate.dev"),
        ({"user": {"extra": {}}}, "not bound to a pod"),
        ({"user": {"extra": {authentication.POD_UID: []}}}, "not bound to a pod"),
    ],
)
async def test_bad_token_is_refused_and_reviewed_again_later(
    change: dict[str, object], why: str
) -> None:
    reviewer, clock = Reviewer(answer=lambda t: vouch(t) | change), Clock()
    authenticator = TokenAuthenticator(reviewer, clock)
    for _ in range(2):
        said = await refused(authenticator, token("p1"))
        assert said.code == 401
        assert why in said.message
    assert reviewer.asked == 1
    reviewer.answer, clock.now = None, NOW + 10
    assert await authenticator.pod_uid(token("p1")) == "p1"


@pytest.mark.parametrize(
    "trouble",
    [
        ApiError(0, "Timeout", "no answer"),
        ApiError(403, "Forbidden", "no right to create tokenreviews"),
        ApiError(429, "TooManyRequests", "slow down", retry_after=7),
        ApiError(500, "InternalError", "oops"),
        OSError("unreachable"),
    ],
)
async def test_api_server_error_is_not_a_bad_token(trouble: Exception) -> None:
    reviewer = Reviewer(trouble=trouble)
    authenticator = TokenAuthenticator(reviewer, Clock())
    said = await refused(authenticator, token("p1"))
    assert said.code == 503
    assert said.retry_after == (7 if getattr(trouble, "status", 0) == 429 else 2)
    reviewer.trouble = None
    assert await authenticator.pod_uid(token("p1")) == "p1"


async def test_slow_review_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REVIEW_TIMEOUT_SECONDS", 0.01)
    assert (
        await refused(TokenAuthenticator(Reviewer(seconds=5), Clock()), token("p1"))
    ).code == 503


async def test_concurrent_reviews_of_one_token_are_one() -> None:
    reviewer = Reviewer(seconds=0.01)
    authenticator = TokenAuthenticator(reviewer, Clock())
    asking = [asyncio.create_task(authenticator.pod_uid(token("p1"))) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert done[1:] == ["p1"] * 19
    assert reviewer.asked == 1


async def test_few_reviews_run_at_a_time() -> None:
    reviewer = Reviewer(seconds=0.001)
    authenticator = TokenAuthenticator(reviewer, Clock())
    await asyncio.gather(*(authenticator.pod_uid(token(f"p{n}")) for n in range(100)))
    assert reviewer.most_at_once == authentication.REVIEWS_AT_ONCE


async def test_error_after_all_hung_up_is_not_logged() -> None:
    authenticator = TokenAuthenticator(Reviewer(seconds=0.01, trouble=OSError()), Clock())
    asking = asyncio.create_task(authenticator.pod_uid(token("p1")))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0.05)  # a "never retrieved" would fail the test: warnings are errors
    await authenticator.close()


async def test_memory_is_bounded_and_refusals_evict_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authentication, "KEPT_TOKENS", 3)
    monkeypatch.setattr(authentication, "KEPT_REFUSALS", 3)
    reviewer = Reviewer()
    authenticator = TokenAuthenticator(reviewer, Clock())
    for known in ("p1", "p2", "p3", "p1", "p4"):  # p2 was used least recently
        await authenticator.pod_uid(token(known))
    for n in range(10):
        await refused(authenticator, f"garbage{n}")
    asked = reviewer.asked
    for known in ("p1", "p3", "p4"):
        await authenticator.pod_uid(token(known))
    assert reviewer.asked == asked
    await authenticator.pod_uid(token("p2"))
    assert reviewer.asked == asked + 1
