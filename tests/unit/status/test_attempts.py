"""The attempts in the status, and a cause that is provisional until its gang is gone."""

import pytest

from stargate_operator.decide.plan import Ending
from stargate_operator.status import attempts
from stargate_operator.status.size_limit import shortened
from stargate_types.status import AttemptStatus, Cause, Phase, StargateJobStatus
from tests.kit.builders import (
    NOW,
    GivenPod,
    at,
    attempt,
    checkpoint_report,
    described,
    gang,
    job,
    pod,
    starting_gang,
)


def last_but_one(status: StargateJobStatus) -> AttemptStatus:
    return status.attempts[-2]


def test_an_attempt_records_world_size_and_runtime() -> None:
    (first,) = described(job(nodes=8)).attempts
    assert (first.number, first.world_size, first.start) == (1, 8, NOW)
    assert first.runtime == "default/runtime-uid/1"
    assert (first.running, first.end, first.cause) == (None, None, None)


def test_an_attempt_records_when_every_rank_ran() -> None:
    given = job().starting()
    assert described(given, starting_gang(4)).attempts[0].running is None
    ran = given.now(described(given, gang(4)))
    assert ran.status.attempts[0].running == NOW
    assert described(ran, gang(4), now=at(60)).attempts[0].running == NOW


def test_an_ended_attempt_names_rank_node_and_cause() -> None:
    over = described(job().running(), gang(4, pod(2).oom_killed(finished=-3))).attempts[0]
    assert (over.cause, over.rank, over.node, over.exit_code) == (
        Cause.OOM_KILLED,
        2,
        "node-2",
        137,
    )
    assert over.end == at(-3)


def test_an_ended_attempt_shows_the_last_log_lines() -> None:
    culprit = pod(2).failed(1, log="Traceback …\nRuntimeError: boom")
    over = described(job().running(), gang(4, culprit), failed_since=at(-2)).attempts[0]
    assert over.message == "rank 2 on node-2 exited with 1: Traceback …\nRuntimeError: boom"


def test_only_the_attempt_shows_log_lines() -> None:
    culprit = pod(2).failed(1, log="the secret is 42")
    for most in (0, 10):
        status = described(job(max_restarts=most).running(), gang(4, culprit), failed_since=at(-2))
        assert all("secret" not in each.message for each in status.conditions)


def test_a_long_log_is_cut_in_the_middle() -> None:
    log = "\n".join(f"frame {n}" for n in range(500)) + "\nRuntimeError: CUDA out of luck"
    culprit = pod(2).failed(1, log=log)
    message = described(job().running(), gang(4, culprit), failed_since=at(-2)).attempts[0].message
    assert message is not None
    assert message.startswith("rank 2 on node-2 exited with 1: frame 0")
    assert message.endswith("RuntimeError: CUDA out of luck")
    assert len(message.encode()) <= 1000


@pytest.mark.parametrize("text", ["", "x" * 100, "é" * 50, "x" * 101, "é" * 51, "日本" * 1000])
def test_a_text_is_never_cut_inside_a_character(text: str) -> None:
    short = shortened(text, 100)
    assert len(short.encode()) <= 100
    assert (short == text) is (len(text.encode()) <= 100)
    assert shortened(short, 100) == short


def test_only_the_last_ended_attempt_keeps_its_message() -> None:
    found: list[AttemptStatus] = []
    for _ in range(4):
        found = attempts.begun(found, now=NOW, world_size=4)
        found[-1] = attempts.ended(found[-1], Ending(Cause.EXIT, NOW, "x" * 2000), lost=0)
    found = attempts.begun(found, now=NOW, world_size=4)
    assert [len((each.message or "").encode()) for each in found] == [256, 256, 256, 1000, 0]


def test_only_the_last_ten_attempts_are_kept() -> None:
    found: list[AttemptStatus] = []
    for _ in range(25):
        found = attempts.begun(found, now=NOW, world_size=4)
    assert [each.number for each in found] == list(range(16, 26))


@pytest.mark.parametrize(
    ("known", "turned_up", "cause", "rank", "failures"),
    [
        (Cause.EXIT, pod(2).oom_killed(finished=-5), Cause.OOM_KILLED, 2, 3),
        (Cause.EXIT, pod(2).oom_killed(), Cause.OOM_KILLED, 2, 3),
        (Cause.EXIT, pod(2).failed(finished=-5), Cause.EXIT, 2, 3),
        (Cause.EXIT, pod(2).failed(finished=5), Cause.EXIT, 0, 3),
        (Cause.EXIT, pod(2).failed(143, finished=-5).deleted(), Cause.EXIT, 0, 3),
        (Cause.OOM_KILLED, pod(2).failed(), Cause.OOM_KILLED, 0, 3),
        (Cause.DELETED, pod(2).oom_killed(finished=-5), Cause.OOM_KILLED, 2, 4),
        (
            Cause.EXIT,
            pod(2).failed(143, finished=-5).but(disruption="EvictionByEvictionAPI"),
            Cause.EVICTED,
            2,
            2,
        ),
        (Cause.CHECKPOINT_DAMAGED, pod(2).failed(finished=-5), Cause.CHECKPOINT_DAMAGED, 0, 3),
        (Cause.YIELDED, pod(2).failed(finished=-5), Cause.YIELDED, 0, 3),
    ],
    ids=[
        "an earlier and graver one",
        "a graver one in the same second",
        "an earlier one",
        "a later one does not count",
        "one that our own deletion ended does not count",
        "a less grave one in the same second does not count",
        "one that counts where the known did not",
        "one that does not count where the known did",
        "damage is certain",
        "giving back is certain",
    ],
)
def test_a_cause_is_revised_while_old_pods_terminate(
    known: Cause, turned_up: GivenPod, cause: Cause, rank: int, failures: int
) -> None:
    given = job().restarting(known).unforgiven(3)
    status = described(given, [turned_up, pod(3).running().deleted()], now=at(10))
    assert (last_but_one(status).cause, last_but_one(status).rank) == (cause, rank)
    assert status.failures_since_checkpoint == failures
    assert status.restarts == 1


def test_the_last_old_pod_can_revise_the_cause() -> None:
    status = described(job().restarting(), [pod(2).oom_killed(finished=-5)], now=at(10))
    assert status.phase is Phase.STARTING
    assert last_but_one(status).cause is Cause.OOM_KILLED


def test_an_echo_is_revised_by_the_first_failure() -> None:
    first = gang(4, pod(0).failed(75, finished=-3))
    echo = described(job().running(), first, now=at(2), failed_since=at(-3))
    late = [pod(2).failed(1), pod(3).running().deleted()]
    status = described(job().now(echo), late, now=at(4))
    assert (last_but_one(status).rank, last_but_one(status).exit_code) == (2, 1)


def test_cause_is_final_when_next_attempt_starts() -> None:
    given = job().starting(2)
    status = described(given, [pod(2).oom_killed(finished=-500)])
    assert last_but_one(status).cause is Cause.EXIT


def test_a_cause_is_revised_once() -> None:
    pods = [pod(2).oom_killed(finished=-5), pod(3).running().deleted()]
    given = job().restarting(Cause.DELETED).unforgiven(3)
    once = given.now(described(given, pods, now=at(10)))
    twice = described(once, pods, now=at(11))
    assert twice.failures_since_checkpoint == 4
    assert twice.attempts == once.status.attempts


def test_lost_time_counts_from_the_last_checkpoint() -> None:
    given = job().running(since=-90).saved(5)  # 50 seconds ago
    over = described(given, gang(4, pod(2).oom_killed())).attempts[0]
    assert over.lost_seconds == 50
    before = job().running(2, since=-30).saved(5)
    over = described(before, gang(4, pod(2, attempt=2).oom_killed(), attempt=2)).attempts[1]
    assert over.lost_seconds == 30


def test_an_attempt_that_never_ran_lost_nothing() -> None:
    over = described(job().starting(), starting_gang(4, pod(2).oom_killed())).attempts[0]
    assert over.lost_seconds == 0


def test_a_save_during_suspension_loses_nothing() -> None:
    over = attempt(ran=-90, ended=-10, cause=Cause.SUSPENDED).model_copy(
        update={"lost_seconds": 80.0}
    )
    given = job().suspended().having(attempts=[over])
    status = described(given, gang(4), checkpoints=[checkpoint_report(7, seconds=-5)])
    assert status.attempts[0].lost_seconds == 0
