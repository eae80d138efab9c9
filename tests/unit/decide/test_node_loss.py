"""A rank whose node is lost ends the attempt; its pod is given up, and the node avoided."""

import pytest

from stargate_operator.decide.effects import PodDeletion, effects
from stargate_operator.decide.plan import Plan
from stargate_operator.model.node_health import NodeHealth
from stargate_types.status import Cause, Phase
from tests.kit.builders import (
    GivenJob,
    at,
    described,
    gang,
    job,
    observed,
    planned,
    pod,
    starting_gang,
    unready,
)

LOST = unready("node-2")


def ending(plan: Plan) -> tuple[Cause, int | None, str | None]:
    assert plan.ending is not None
    return plan.ending.cause, plan.ending.rank, plan.ending.node


def deletes(given: GivenJob, *pods: object, node_health: NodeHealth = LOST) -> list[PodDeletion]:
    return list(effects(observed(given, pods, node_health=node_health)).delete)  # type: ignore[arg-type]


def test_lost_node_ends_attempt_and_is_named() -> None:
    plan = planned(job(nodes=4).running(), gang(4), node_health=LOST)
    assert ending(plan) == (Cause.NODE_LOST, 2, "node-2")
    assert plan.ending is not None
    assert plan.ending.message == (
        "rank 2 was lost with its node node-2, which has been gone or silent for 30 s"
    )
    assert plan.next_attempt


def test_loss_of_a_succeeded_rank_ends_no_attempt() -> None:
    """Its pod still runs when the node goes: its kubelet confirms the end a second later."""
    done = pod(2).succeeded().but(pod_phase="Running")
    assert not planned(job(nodes=4).running(), gang(4, done), node_health=LOST).next_attempt


def test_several_lost_ranks_are_named_in_one_message() -> None:
    plan = planned(
        job(nodes=4).running(), gang(4), node_health=unready("node-1", "node-2", "node-3")
    )
    assert plan.ending is not None
    assert plan.ending.message.endswith("; also lost: rank 2-3")


@pytest.mark.parametrize(("since", "lost"), [(0, False), (-29.9, False), (-30, True)])
def test_a_gang_waits_for_an_unready_node(since: float, lost: bool) -> None:
    plan = planned(job().running(), gang(4), node_health=unready("node-1", since=since))
    assert plan.next_attempt is lost
    if not lost:
        assert plan.phase is Phase.RUNNING
        assert plan.wake_at == at(since + 30)


def test_no_node_is_given_up_during_an_outage() -> None:
    node_health = unready("node-1", "node-2", since=-3600, outage=True)
    plan = planned(job().running(), gang(4), node_health=node_health)
    assert (plan.phase, plan.ending) == (Phase.RUNNING, None)
    assert plan.wake_at == at(5)


def test_ready_says_which_nodes_are_silent() -> None:
    def ready(node_health: NodeHealth) -> str:
        status = described(job().running(), gang(4), node_health=node_health)
        return next(each.message for each in status.conditions if each.type == "Ready")

    assert ready(NodeHealth()) == "every rank runs or has succeeded"
    assert "node-1 has not been ready since 2026-03-01T11:59:55Z" in ready(
        unready("node-1", since=-5)
    )
    assert "like most of the cluster" in ready(unready("node-1", outage=True))


def test_a_starting_gang_restarts_after_a_lost_node() -> None:
    given = starting_gang(4, pod(2).scheduled())
    assert ending(planned(job().starting(), given, node_health=LOST)) == (
        Cause.NODE_LOST,
        2,
        "node-2",
    )


def test_finished_rank_on_lost_node_does_not_fail() -> None:
    assert planned(job().running(), gang(4, pod(2).succeeded()), node_health=LOST).ending is None


def test_a_lost_node_is_no_counted_failure() -> None:
    status = described(job(max_restarts=0).running(), gang(4), node_health=LOST)
    assert (status.phase, status.failures_since_checkpoint, status.restarts) == (
        Phase.RESTARTING,
        0,
        1,
    )


def test_a_lost_node_is_avoided() -> None:
    status = described(job().running(), gang(4), node_health=LOST)
    assert [(each.name, each.until) for each in status.avoided_nodes] == [("node-2", at(600))]


def test_expired_avoided_node_is_dropped_at_next_attempt() -> None:
    given = job().restarting().avoiding("node-1", until=-1)
    assert described(given).avoided_nodes == []
    still = job().restarting().avoiding("node-1", until=1)
    assert [each.name for each in described(still).avoided_nodes] == ["node-1"]


def test_an_expired_avoided_node_causes_no_write() -> None:
    given = job().running().avoiding("node-9", until=-1)
    assert [each.name for each in described(given, gang(4)).avoided_nodes] == ["node-9"]


def test_the_avoided_nodes_are_few_and_stable() -> None:
    names = [f"node-{n}" for n in range(40)]
    given = job(nodes=40).running()
    status = described(given, gang(40), node_health=unready(*names))
    assert len(status.avoided_nodes) == 8
    again = described(given.now(status), gang(40), node_health=unready(*names))
    assert again.avoided_nodes == status.avoided_nodes


def test_only_pods_on_lost_node_are_given_up() -> None:
    found = deletes(job().restarting(Cause.NODE_LOST), *gang(4))
    assert {each.pod.rank: each.grace for each in found} == {0: 2, 1: 2, 2: 0, 3: 2}


def test_stuck_pod_of_lost_node_is_dropped() -> None:
    [found] = deletes(job().restarting(), pod(2).running().deleted())
    assert (found.pod.rank, found.grace) == (2, 0)


@pytest.mark.parametrize("given", [job().suspended(), job().failed()])
def test_stuck_pods_of_inactive_jobs_are_given_up(given: GivenJob) -> None:
    [found] = deletes(given, pod(2).running().deleted())
    assert found.grace == 0


def test_a_terminating_pod_on_a_ready_node_stays() -> None:
    assert not deletes(job().restarting(), pod(1).running().deleted())


@pytest.mark.parametrize(("grace_ends", "given_up"), [(-5.0, False), (-10.0, True)])
def test_reporting_kubelet_ends_its_pods_itself(grace_ends: float, given_up: bool) -> None:
    speaks = unready("node-2", silent=False)
    [asked] = deletes(job().restarting(), pod(2).running(), node_health=speaks)
    assert asked.grace == 2
    stuck = pod(2).running().but(deleting=True, deletion_at=at(grace_ends).timestamp())
    assert bool(deletes(job().restarting(), stuck, node_health=speaks)) is given_up


def test_no_pod_is_given_up_during_an_outage() -> None:
    node_health = unready("node-2", outage=True)
    assert not deletes(job().restarting(), pod(2).running().deleted(), node_health=node_health)


def test_attempt_message_names_rank_that_was_given_up() -> None:
    given, stuck = job().suspended(), pod(2).running().deleted()
    status = described(given, [stuck], node_health=LOST)
    assert status.attempts[0].cause is Cause.SUSPENDED
    assert status.attempts[0].message == "rank 2 was given up with a lost node (node-2)"
    again = described(given.now(status), [stuck], node_health=LOST)
    assert again.attempts == status.attempts


def test_an_exit_is_revised_to_the_lost_node() -> None:
    given = job().restarting(Cause.EXIT).unforgiven(1)
    status = described(given, [pod(2).running().deleted()], node_health=LOST)
    first = status.attempts[0]
    assert (first.cause, first.rank, first.node) == (Cause.NODE_LOST, 2, "node-2")
    assert "Exit was seen first" in str(first.message)
    assert status.failures_since_checkpoint == 0
    assert status.phase is Phase.RESTARTING, "its pod is still there"


def test_a_certain_cause_stays_with_a_note() -> None:
    given = job().restarting(Cause.OOM_KILLED)
    status = described(given, [pod(2).running().deleted()], node_health=LOST)
    assert status.attempts[0].cause is Cause.OOM_KILLED
    assert "rank 2 was given up" in str(status.attempts[0].message)


def test_a_gang_without_room_takes_a_node_back() -> None:
    given = job().starting(2).avoiding("node-1")
    short = starting_gang(4, pod(1, attempt=2).unschedulable(), attempt=2)
    node_health = unready(ready_again=["node-1"])
    plan = planned(given, short, node_health=node_health)
    assert ending(plan) == (Cause.NODE_RETURNED, None, None)
    status = described(given, short, node_health=node_health)
    assert (status.avoided_nodes, status.restarts, status.attempt) == ([], 1, 3)


def test_a_node_is_not_taken_back_without_need() -> None:
    given, node_health = job().starting(2).avoiding("node-1"), unready(ready_again=["node-1"])
    assert planned(given, starting_gang(4, attempt=2), node_health=node_health).ending is None
    short = starting_gang(4, pod(1, attempt=2).unschedulable(), attempt=2)
    assert planned(given, short).ending is None
    soon = planned(given, short, node_health=node_health, now=at(-95))
    assert (soon.ending, soon.wake_at) == (None, at(-90))
