"""What is tried again, how often, and how long it waits in between."""

import pytest

from stargate_api import Refused, Timeout, Unreachable
from stargate_api.exchange import Failure, settle
from stargate_api.patience import Patience
from tests.unit.api.scripted_server import LOST, Time, answers, calls, job, no, yes

FINE = yes(job(phase="Running"))


@pytest.mark.parametrize("trouble", [LOST, no(500, "x"), no(502, "x"), no(503, "x"), no(504, "x")])
def test_what_may_pass_is_tried_again(time: Time, trouble: object) -> None:
    server = answers(trouble, trouble, FINE)
    assert settle(calls(time).status("job"), server).state == "Running"
    assert time.pauses == [0.2, 0.4]


def test_a_server_that_says_when_is_given_that_time(time: Time) -> None:
    settle(calls(time).status("job"), answers(no(429, "slow down", after=7.0), FINE))
    assert time.pauses == [7.0]


def test_a_refusal_is_not_tried_again(time: Time) -> None:
    server = answers(no(422, "no"))
    with pytest.raises(Refused):
        settle(calls(time).suspend("job", True), server)
    assert len(server.requests) == 1


def test_it_gives_up_after_so_many_tries(time: Time) -> None:
    server = answers(LOST)
    with pytest.raises(Unreachable, match=r"the connection broke \(tried 6 times\): check"):
        settle(calls(time).status("job"), server)
    assert time.pauses == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_it_never_waits_past_its_time(time: Time) -> None:
    with pytest.raises(Unreachable, match="answers 429, 'busy'"):
        settle(calls(time, timeout=10).status("job"), answers(no(429, "busy", after=60.0)))
    assert time.pauses == []


def test_each_request_is_given_what_is_left(time: Time) -> None:
    server = answers(LOST, FINE)
    settle(calls(time, timeout=5).status("job"), server)
    assert [round(request.timeout, 1) for request in server.requests] == [5.0, 4.8]


def test_no_answer_in_time_is_a_timeout(time: Time) -> None:
    with pytest.raises(Timeout, match="longer timeout"):
        settle(calls(time, retries=0).status("job"), answers(Failure("no answer", timed_out=True)))


def test_a_certificate_is_not_better_the_next_time(time: Time) -> None:
    with pytest.raises(Unreachable, match="not trusted"):
        settle(calls(time).status("job"), answers(Failure("not trusted", final=True)))
    assert time.pauses == []


def test_delays_are_spread_and_bounded() -> None:
    late, early = Patience(chance=lambda: 0.0), Patience(chance=lambda: 1.0)
    assert late.delay(3, LOST) == 2 * early.delay(3, LOST)
    assert late.delay(50, LOST) == 5.0
