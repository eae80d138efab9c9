"""The requests that are tried again, how often, and after which pauses."""

import pytest

from stargate_api import Refused, Timeout, Unreachable
from stargate_api._client.retry import RetryPolicy
from stargate_api._client.steps import Failure, run_call
from tests.unit.api.scripted_server import LOST, Time, answers, calls, job, no, yes

FINE = yes(job(phase="Running"))


@pytest.mark.parametrize("trouble", [LOST, no(500, "x"), no(502, "x"), no(503, "x"), no(504, "x")])
def test_transient_failure_is_tried_again(time: Time, trouble: object) -> None:
    server = answers(trouble, trouble, FINE)
    assert run_call(calls(time).status("job"), server).state == "Running"
    assert time.pauses == [0.2, 0.4]


def test_retry_after_sets_the_pause(time: Time) -> None:
    run_call(calls(time).status("job"), answers(no(429, "slow down", after=7.0), FINE))
    assert time.pauses == [7.0]


def test_refusal_is_not_tried_again(time: Time) -> None:
    server = answers(no(422, "no"))
    with pytest.raises(Refused):
        run_call(calls(time).suspend("job", True), server)
    assert len(server.requests) == 1


def test_call_gives_up_after_its_retries(time: Time) -> None:
    server = answers(LOST)
    with pytest.raises(Unreachable, match=r"the connection broke \(tried 6 times\): check"):
        run_call(calls(time).status("job"), server)
    assert time.pauses == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_call_never_pauses_past_its_timeout(time: Time) -> None:
    with pytest.raises(Unreachable, match="answers 429, 'busy'"):
        run_call(calls(time, timeout=10).status("job"), answers(no(429, "busy", after=60.0)))
    assert time.pauses == []


def test_request_timeout_is_the_time_left(time: Time) -> None:
    server = answers(LOST, FINE)
    run_call(calls(time, timeout=5).status("job"), server)
    assert [round(request.timeout, 1) for request in server.requests] == [5.0, 4.8]


def test_missing_answer_raises_timeout(time: Time) -> None:
    with pytest.raises(Timeout, match="longer timeout"):
        run_call(
            calls(time, retries=0).status("job"), answers(Failure("no answer", timed_out=True))
        )


def test_untrusted_certificate_is_not_tried_again(time: Time) -> None:
    with pytest.raises(Unreachable, match="not trusted"):
        run_call(calls(time).status("job"), answers(Failure("not trusted", final=True)))
    assert time.pauses == []


def test_delays_are_random_and_bounded() -> None:
    late, early = RetryPolicy(jitter=lambda: 0.0), RetryPolicy(jitter=lambda: 1.0)
    assert late.delay(3, LOST) == 2 * early.delay(3, LOST)
    assert late.delay(50, LOST) == 5.0
