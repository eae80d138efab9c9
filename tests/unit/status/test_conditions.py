"""The conditions of a job: what is true of it, since when, and why."""

import pytest

from stargate_operator.decide.observed import Trouble
from stargate_operator.model.blueprint import Refusal
from stargate_types.status import Condition, StargateJobStatus
from tests.kit.builders import (
    NOW,
    GivenJob,
    at,
    described,
    gang,
    job,
    pod,
    starting_gang,
    without,
)

REFUSAL = Refusal("AcceleratorClassNotFound", "no AcceleratorClass states 'x'; there are a, b")


def condition(status: StargateJobStatus, kind: str) -> Condition:
    (found,) = [each for each in status.conditions if each.type == kind]
    return found


def holds(status: StargateJobStatus) -> dict[str, str]:
    return {each.type: f"{each.status} {each.reason}" for each in status.conditions}


def test_a_starting_job() -> None:
    assert holds(described(job().starting(), starting_gang(4))) == {
        "Accepted": "True Accepted",
        "Scheduled": "False CreatingGang",
        "Ready": "False NotAllRanksRunning",
    }


def test_a_running_job() -> None:
    assert holds(described(job().running(), gang(4))) == {
        "Accepted": "True Accepted",
        "Scheduled": "True GangScheduled",
        "Ready": "True AllRanksRunning",
    }


def test_a_restarting_job() -> None:
    status = described(job().running(), gang(4, pod(2).oom_killed()))
    assert holds(status)["Ready"] == "False OOMKilled"
    assert holds(status)["Scheduled"] == "False OOMKilled"


def test_a_job_that_failed() -> None:
    status = described(job(max_restarts=0).running(), gang(4, pod(2).oom_killed()))
    assert holds(status)["Failed"] == "True MaxRestartsExceeded"
    assert holds(status)["Ready"] == "False MaxRestartsExceeded"
    assert "Succeeded" not in holds(status)


def test_a_job_that_succeeded() -> None:
    done = [pod(rank).succeeded() for rank in range(4)]
    status = described(job().running(), done)
    assert holds(status)["Succeeded"] == "True AllRanksSucceeded"
    assert "Failed" not in holds(status)
    assert status.completion_time == NOW


def test_a_missing_reference_is_named() -> None:
    found = condition(described(job(), blueprint_=REFUSAL), "Accepted")
    assert (found.status, found.reason, found.message) == (
        "False",
        REFUSAL.reason,
        REFUSAL.message,
    )


@pytest.mark.parametrize(
    ("given", "ranks", "stays"),
    [
        (job().running(), (0, 1, 2, 3), True),
        (job().starting(), (0, 1, 2, 3), True),
        (job().starting(), (0, 1), False),
        (job().restarting(), (), False),
    ],
    ids=["running", "all made", "some missing", "next attempt"],
)
def test_a_deleted_class_leaves_accepted_true(
    given: GivenJob, ranks: tuple[int, ...], stays: bool
) -> None:
    accepted = given.now(described(given, gang(4)))
    accepted = given.having(conditions=accepted.status.conditions)
    pods = [pod(rank).running() for rank in ranks]
    found = condition(described(accepted, pods, blueprint_=REFUSAL), "Accepted")
    assert (found.status == "True") is stays


def test_only_a_transition_changes_the_time() -> None:
    first = job().now(described(job()))
    later = first.now(described(first, starting_gang(4), now=at(5)))
    assert condition(later.status, "Ready").last_transition_time == NOW
    ran = described(later, gang(4), now=at(9))
    assert condition(ran, "Ready").last_transition_time == at(9)
    assert condition(ran, "Accepted").last_transition_time == NOW


def test_conditions_have_the_observed_generation() -> None:
    assert {each.observed_generation for each in described(job()).conditions} == {1}


def test_the_scheduler_s_message_is_shown() -> None:
    pods = starting_gang(4, pod(2).unschedulable("0/9 nodes: 9 Insufficient devices"))
    found = condition(described(job().starting(), pods), "Scheduled")
    assert (found.reason, found.message) == (
        "WaitingForNodes",
        "0/9 nodes: 9 Insufficient devices",
    )


def test_the_api_server_s_message_is_shown() -> None:
    trouble = Trouble("PodsRefused", "exceeded quota: gpus", retry_at=at(1))
    status = described(job().starting(), without(starting_gang(4), 3), trouble=trouble)
    found = condition(status, "Scheduled")
    assert (found.reason, found.message) == ("PodsRefused", "exceeded quota: gpus")


def test_a_container_that_cannot_start_is_named() -> None:
    stuck = pod(2).waiting("ImagePullBackOff", 'Back-off pulling image "trainer:typo"')
    found = condition(described(job().starting(), starting_gang(4, stuck)), "Ready")
    assert found.reason == "ContainerCannotStart"
    assert found.message == (
        "rank 2 (pod train-1-2 on node-2 since 2026-03-01T11:58:20Z): ImagePullBackOff: Back-off"
        ' pulling image "trainer:typo"'
    )


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerError", "RunContainerError"])
def test_every_waiting_reason_of_a_kubelet_is_shown(reason: str) -> None:
    stuck = pod(1).waiting(reason, "the kubelet's words")
    found = condition(described(job().starting(), starting_gang(4, stuck)), "Ready")
    assert found.reason == "ContainerCannotStart"
    assert found.message.endswith(f": {reason}: the kubelet's words")


def test_missing_command_is_shown_until_gang_runs() -> None:
    words = 'exec: "trian.py": executable file not found in $PATH'
    given = job().starting()
    for now in range(3):
        failed = [pod(2).failed(128, reason="StartError", log=words)] if now == 0 else []
        status = described(given, failed, now=at(now))
        found = condition(status, "Ready")
        assert (found.status, found.reason) == ("False", "ContainerCannotStart")
        assert words in found.message
        given = given.now(status)
    ran = described(given, gang(4, attempt=2), now=at(9))
    assert words not in condition(ran, "Ready").message
    assert ran.attempts[0].cause == "CannotStart"


def test_a_resumed_job_has_suspended_false() -> None:
    given = job().suspended()
    given = given.now(described(given)).resumed()
    found = condition(described(given), "Suspended")
    assert (found.status, found.reason) == ("False", "Resumed")


def test_a_job_never_suspended_has_no_such_condition() -> None:
    assert "Suspended" not in holds(described(job()))


@pytest.mark.parametrize(
    "given",
    [job().restarting(), job().suspended(), job().starting(), job().queued()],
    ids=["restarting", "suspending", "starting", "queued"],
)
def test_no_condition_changes_with_every_pod(given: GivenJob) -> None:
    told = {
        tuple(
            (each.status, each.reason, each.message)
            for each in described(given, [pod(rank).running() for rank in range(alive)]).conditions
        )
        for alive in (1, 2, 3)
    }
    assert len(told) == 1


def test_a_job_waiting_for_a_block_is_accepted() -> None:
    full = Refusal("NoBlockFits", "waits for room for 4 workers in ComputeBlock a", waits=True)
    found = described(job(), blueprint_=full)
    assert condition(found, "Accepted").status == "True"
    scheduled = condition(found, "Scheduled")
    assert (scheduled.status, scheduled.reason) == ("False", "NoBlockFits")
    assert scheduled.message == full.message


def test_job_that_fits_no_block_is_refused() -> None:
    never = Refusal("NoBlockFits", "fits into no ComputeBlock: a: 8 ms > 5 ms")
    assert condition(described(job(), blueprint_=never), "Accepted").status == "False"
