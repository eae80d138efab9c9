"""The pause before the next attempt, after failures without a newer checkpoint."""

from datetime import timedelta

import pytest

from stargate_operator.decide.back_off import pause, pause_after_failure
from stargate_types.status import Cause, Phase
from tests.kit.builders import GivenJob, at, attempt, job, observed, planned


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (8, 300), (999, 300)],
)
def test_pause_doubles_up_to_five_minutes(failures: int, seconds: int) -> None:
    assert pause(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("ended", "begins"), [(-19.9, False), (-20, True)])
def test_third_failure_waits_twenty_seconds_from_its_end(ended: float, begins: bool) -> None:
    plan = planned(job().restarting(ended=ended).unforgiven(3))
    assert plan.resolve is begins
    if not begins:
        assert (plan.phase, plan.reason) == (Phase.RESTARTING, "BackingOff")
        assert plan.wake_at == at(ended + 20)


def after(*causes: Cause) -> GivenJob:
    """A job whose attempts ended so, one after another; the next one is about to start."""
    over = [
        attempt(number, start=-500 + 10 * number, ended=-495 + 10 * number, cause=cause)
        for number, cause in enumerate(causes, 1)
    ]
    coming = attempt(len(causes) + 1, start=-1, resolved=False)
    return job().having(
        phase=Phase.RESTARTING, attempt=coming.number, attempts=[*over, coming], start_time=at(-500)
    )


@pytest.mark.parametrize(
    "cause",
    [Cause.EVICTED, Cause.NODE_LOST, Cause.PREEMPTED, Cause.REJECTED, Cause.DELETED],
)
def test_uncounted_failure_that_repeats_waits_too(cause: Cause) -> None:
    assert pause_after_failure(observed(after(cause))) == timedelta(0)
    assert pause_after_failure(observed(after(cause, cause))) == timedelta(seconds=10)
    assert pause_after_failure(observed(after(cause, cause, cause))) == timedelta(seconds=20)


def test_newer_checkpoint_ends_the_pause() -> None:
    evicted = (Cause.EVICTED,) * 3
    assert pause_after_failure(observed(after(*evicted).saved(5, attempt=3))) == timedelta(0)
    assert pause_after_failure(observed(after(*evicted).saved(5, attempt=2))) == pause(2)


@pytest.mark.parametrize("cause", [Cause.YIELDED, Cause.SUSPENDED, Cause.CHECKPOINT_DAMAGED])
def test_end_that_is_no_repeated_failure_adds_no_pause(cause: Cause) -> None:
    assert pause_after_failure(observed(after(*[cause] * 3))) == timedelta(0)
