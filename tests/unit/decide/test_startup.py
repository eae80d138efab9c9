"""Bringing the gang up: accepted, waiting, created, running."""

import pytest

from stargate_operator.decide.observed import Trouble
from stargate_operator.model.blueprint import Refusal
from stargate_types.status import Cause, Phase
from tests.kit.builders import (
    NOW,
    GivenJob,
    at,
    described,
    gang,
    job,
    planned,
    pod,
    starting_gang,
    without,
)

REFUSAL = Refusal("AcceleratorClassNotFound", "no AcceleratorClass states 'x'; there are a, b")


def test_a_new_job_begins_attempt_1() -> None:
    plan = planned(job())
    assert (plan.phase, plan.next_attempt, plan.resolve) == (Phase.STARTING, True, True)
    status = described(job())
    assert (status.attempt, status.restarts, status.start_time) == (1, 0, NOW)
    assert status.attempts[0].runtime == "default/runtime-uid/1"
    assert status.attempts[0].accelerator_class == "stargate-silicon-v2/class-uid/1"


def test_a_missing_reference_makes_a_job_wait() -> None:
    plan = planned(job(), blueprint_=REFUSAL)
    assert (plan.phase, plan.reason, plan.message) == (
        Phase.PENDING,
        "AcceleratorClassNotFound",
        REFUSAL.message,
    )
    assert not plan.next_attempt


def test_a_job_starts_when_the_missing_reference_exists() -> None:
    waiting = job().now(described(job(), blueprint_=REFUSAL))
    assert planned(waiting).phase is Phase.STARTING
    status = described(waiting)
    assert ("Accepted", "True") in {(each.type, each.status) for each in status.conditions}


def test_a_deleted_class_holds_back_the_next_attempt() -> None:
    assert planned(job().restarting(ended=-1), blueprint_=REFUSAL).phase is Phase.PENDING


def test_a_deleted_class_with_missing_ranks_is_reported() -> None:
    plan = planned(job().starting(), without(starting_gang(4), 1), blueprint_=REFUSAL)
    assert (plan.phase, plan.reason) == (Phase.STARTING, REFUSAL.reason)


def test_a_deleted_class_does_not_affect_a_gang() -> None:
    assert planned(job().running(), gang(4), blueprint_=REFUSAL).phase is Phase.RUNNING
    assert planned(job().starting(), starting_gang(4), blueprint_=REFUSAL).reason == "CreatingGang"


def test_the_next_attempt_waits_for_the_old_gang() -> None:
    plan = planned(job().restarting(ended=-60), [pod(0).failed(), pod(1).running().deleted()])
    assert (plan.phase, plan.reason, plan.resolve) == (
        Phase.RESTARTING,
        "WaitingForOldGang",
        False,
    )


def test_the_next_attempt_starts_after_the_old_gang() -> None:
    plan = planned(job().restarting(), [pod(0).failed(), pod(1).succeeded()])
    assert (plan.phase, plan.resolve, plan.next_attempt) == (Phase.STARTING, True, False)


def test_a_job_runs_when_every_rank_runs() -> None:
    almost = planned(job().starting(), starting_gang(4, *(pod(r).running() for r in (0, 1, 2))))
    assert almost.phase is Phase.STARTING
    assert planned(job().starting(), gang(4)).phase is Phase.RUNNING


def test_a_rank_that_succeeded_already_counts_as_running() -> None:
    assert planned(job().starting(), gang(4, pod(1).succeeded())).phase is Phase.RUNNING
    assert planned(job().running(), gang(4, pod(1).succeeded())).phase is Phase.RUNNING


def test_a_gang_without_any_node_is_queued() -> None:
    waiting = starting_gang(4, pod(0).unschedulable("0/4 nodes: Insufficient devices"))
    plan = planned(job().starting(), waiting)
    assert (plan.phase, plan.reason) == (Phase.QUEUED, "WaitingForNodes")
    assert plan.message == "0/4 nodes: Insufficient devices"


def test_a_gang_with_a_first_node_is_starting() -> None:
    pods = starting_gang(4, pod(0).unschedulable(), pod(1).scheduled(-5))
    plan = planned(job().starting(), pods)
    assert (plan.phase, plan.reason) == (Phase.STARTING, "WaitingForNodes")


def test_refused_create_shows_the_message_of_server() -> None:
    said = 'pods "train-1-3" is forbidden: exceeded quota: gpus'
    trouble = Trouble("PodsRefused", said, retry_at=at(4))
    plan = planned(job().starting(), without(starting_gang(4), 3), trouble=trouble)
    assert (plan.phase, plan.reason, plan.message) == (Phase.STARTING, "PodsRefused", said)
    assert plan.wake_at == at(4)


@pytest.mark.parametrize(
    "given",
    [job().restarting(), job().queued(), job().starting(), job().running()],
    ids=["restarting", "queued", "starting", "running"],
)
def test_no_message_holds_a_number_of_pods(given: GivenJob) -> None:
    """It stands in conditions: each pod would cost a write."""
    few = [pod(0).running(), pod(1).running()]
    more = [*few, pod(2).running()]
    old_few, old_more = ([each.but(attempt=0) for each in pods] for pods in (few, more))
    assert planned(given, [*old_few]).message == planned(given, [*old_more]).message


def test_a_queued_gang_waits_for_an_older_one() -> None:
    plan = planned(job().queued(ended=-5000), older="team-b/older")
    assert (plan.phase, plan.reason) == (Phase.QUEUED, "Queued")
    assert "team-b/older" in plan.message


@pytest.mark.parametrize("cause", [Cause.YIELDED, Cause.START_TIMEOUT])
def test_queued_gang_tries_again_after_start_timeout(cause: Cause) -> None:
    early = planned(job(start_timeout=60).queued(cause, ended=-59))
    assert (early.phase, early.wake_at) == (Phase.QUEUED, at(1))
    assert planned(job(start_timeout=60).queued(cause, ended=-60)).resolve


def test_a_queued_gang_tries_again_when_alone() -> None:
    """Also where that came about while no operator ran."""
    assert planned(job(start_timeout=60).queued(ended=-10), alone=True).resolve
    timed_out = job(start_timeout=60).queued(Cause.START_TIMEOUT, ended=-10)
    assert not planned(timed_out, alone=True).resolve


def test_a_queued_gang_tries_again_after_a_release() -> None:
    given = job(start_timeout=60).queued(ended=-10)
    assert planned(given, released_at=at(-5)).resolve
    assert not planned(given, released_at=at(-15)).resolve


def test_a_gang_waiting_for_a_block_looks_again() -> None:
    full = Refusal("NoBlockFits", "waits for room for 4 workers in ComputeBlock a", waits=True)
    plan = planned(job(), blueprint_=full)
    assert (plan.phase, plan.reason, plan.next_attempt) == (Phase.QUEUED, "NoBlockFits", False)
    assert plan.wake_at == at(10)


def test_a_gang_that_fits_no_block_looks_again() -> None:
    plan = planned(job(), blueprint_=Refusal("NoBlockFits", "fits into no ComputeBlock"))
    assert (plan.phase, plan.wake_at) == (Phase.PENDING, at(10))


def test_a_gang_that_never_fits_keeps_its_pods() -> None:
    words = "spec.resourceAllocation.nodes: 4 workers, and room for 3 if nothing else ran"
    waiting = starting_gang(4, pod(0).unschedulable())
    plan = planned(job().starting(), waiting, never_fits=words)
    assert (plan.phase, plan.reason, plan.message) == (Phase.QUEUED, "NeverFits", words)
    partly = starting_gang(4, pod(0).unschedulable(), pod(1).scheduled())
    plan = planned(job().starting(), partly, never_fits=words)
    assert (plan.phase, plan.reason) == (Phase.STARTING, "NeverFits")
    assert plan.wake_at == at(600 - 100), "its start timeout runs as ever"


def test_queued_gang_tries_again_when_nodes_are_free() -> None:
    given = job().queued(Cause.START_TIMEOUT, ended=-30)
    assert planned(given, has_room=True).resolve
    waiting = planned(given, has_room=False)
    assert (waiting.phase, waiting.wake_at) == (Phase.QUEUED, at(10))
    assert "or as soon as enough nodes are free" in waiting.message


def test_room_is_not_trusted_at_once() -> None:
    assert not planned(job().queued(ended=-29), has_room=True).resolve


def test_an_older_waiting_gang_comes_before_room() -> None:
    given = job().queued(ended=-30)
    assert not planned(given, has_room=True, older="team-b/older").resolve
