"""A gang that is silent for longer than the job allows hangs, and its attempt ends."""

import pytest

from stargate_operator.decide.plan import Plan
from stargate_types.status import Cause, Phase, Progress
from tests.kit.builders import (
    RAN,
    GivenJob,
    at,
    checkpoint_report,
    described,
    gang,
    heartbeats,
    job,
    planned,
    pod,
    progress_report,
    starting_gang,
    unready,
)


def hanging(seconds: int = 60) -> GivenJob:
    return job(nodes=4).running().hangs_after(seconds)


def message(plan: Plan) -> str:
    assert plan.ending is not None
    assert plan.ending.cause is Cause.HANG
    return plan.ending.message


def test_silence_beyond_the_timeout_ends_the_attempt() -> None:
    given = hanging().saved(5)
    plan = planned(given, gang(4), heartbeats=heartbeats((0, -60)))
    assert (plan.phase, plan.reason, plan.next_attempt) == (Phase.RESTARTING, "Hang", True)


@pytest.mark.parametrize("last", [-59.9, -1, 0])
def test_one_report_of_any_rank_ends_the_silence(last: float) -> None:
    plan = planned(hanging(), gang(4), heartbeats=heartbeats((0, -80), (3, last)))
    assert (plan.phase, plan.ending) == (Phase.RUNNING, None)
    assert plan.wake_at == at(last + 60)


def test_without_a_timeout_nothing_is_a_hang() -> None:
    plan = planned(job().running(), gang(4), heartbeats=heartbeats((0, -80_000)))
    assert (plan.phase, plan.wake_at) == (Phase.RUNNING, None)


def test_silence_counts_from_when_all_ranks_ran() -> None:
    assert RAN == -90
    assert planned(hanging(91), gang(4)).ending is None
    assert "no rank has reported since all of them ran" in message(planned(hanging(90), gang(4)))


def test_an_incomplete_gang_does_not_hang() -> None:
    given = job().starting().hangs_after(10)
    assert planned(given, starting_gang(4)).ending is None
    assert planned(given, gang(4)).phase is Phase.RUNNING


def test_silence_counts_from_when_the_operator_listens() -> None:
    plan = planned(hanging(), gang(4), heard_since=-59)
    assert (plan.ending, plan.wake_at) == (None, at(1))


def test_a_new_operator_names_no_first_silent_rank() -> None:
    said = message(planned(hanging(), gang(4), heard_since=-60))
    assert (
        "no rank has reported since 2026-03-01T11:59:00Z, when the operator began to listen" in said
    )
    assert "the first rank to fall silent is not known" in said


def test_a_hang_names_rank_node_step_and_epoch() -> None:
    heard = heartbeats((0, -70, 131), (1, -69, 131), (2, -75, 120), (3, -68, 131))
    plan = planned(hanging(), gang(4), heartbeats=heard, progress=progress_report(12))
    assert plan.ending is not None
    assert (plan.ending.rank, plan.ending.node) == (2, "node-2")
    assert message(plan) == (
        "no rank has reported for 60 s (spec.hang.reportTimeoutSeconds);"
        " the last position known is epoch 12;"
        " rank 2 fell silent first on node-2, after step 120 (others had come to 131)"
    )


def test_ranks_silent_together_are_named_without_culprit() -> None:
    plan = planned(hanging(), gang(4), heartbeats=heartbeats((0, -61), (1, -65), (2, -63)))
    assert plan.ending is not None
    assert (plan.ending.rank, plan.ending.node) == (None, None)
    assert "ranks 0-2 fell silent at about the same time; rank 3 never reported" in message(plan)


@pytest.mark.parametrize(
    ("step", "words"), [(None, "epoch 7; "), (3150, "epoch 7, step 3150; ")], ids=str
)
def test_the_last_position_comes_from_the_status(step: int | None, words: str) -> None:
    standing = Progress(epoch=7, epochs=100, step=step, percent=7.0)
    said = message(planned(hanging().having(progress=standing), gang(4)))
    assert f"the last position known is {words}" in said


def test_a_hang_counts() -> None:
    given = job(max_restarts=0).running().hangs_after(60)
    assert planned(given, gang(4)).reason == "MaxRestartsExceeded"
    status = described(hanging(), gang(4))
    assert (status.failures_since_checkpoint, status.restarts) == (1, 1)


def test_a_checkpoint_of_the_same_moment_is_kept() -> None:
    status = described(hanging(), gang(4), checkpoints=[checkpoint_report(10)])
    assert status.attempts[0].cause is Cause.HANG
    assert status.failures_since_checkpoint == 1
    assert status.checkpoints is not None
    assert status.checkpoints.history[0].epoch == 10


def test_a_rank_in_its_grace_may_be_silent() -> None:
    assert planned(hanging(), gang(4, pod(1).running().deleted())).ending is None


def test_unready_node_explains_the_silence() -> None:
    plan = planned(hanging(), gang(4), node_health=unready("node-1", since=-5))
    assert (plan.phase, plan.ending) == (Phase.RUNNING, None)


def test_a_failed_rank_comes_before_a_hang() -> None:
    plan = planned(hanging(), gang(4, pod(1).oom_killed()))
    assert plan.reason == "OOMKilled"


def test_past_hang_time_hides_no_later_wake_up() -> None:
    plan = planned(hanging(), gang(4, pod(1).failed()), failed_since=at(-0.5))
    assert (plan.ending, plan.wake_at) == (None, at(0.5))


def test_a_suspended_job_is_silent_on_purpose() -> None:
    plan = planned(hanging().but(suspend=True), gang(4))
    assert plan.reason == "Suspending"


def test_the_next_attempt_begins_with_its_own_silence() -> None:
    given = hanging()
    after = given.now(described(given, gang(4)))
    assert after.status.attempt == 2
    assert planned(after, gang(4)).ending is None
