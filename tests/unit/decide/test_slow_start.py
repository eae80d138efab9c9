"""A gang that has all its nodes must come to run."""

import pytest

from stargate_operator.model.pod import Pod
from stargate_types.status import Cause, Phase
from tests.kit.builders import at, described, gang, job, planned, pod, starting_gang

GIVEN = job(start_timeout=60).starting()


def behind(*ranks: int, last: float = -60, started: float = -60) -> list[Pod]:
    """All have nodes; these ranks do not run."""
    began = at(started).timestamp()
    return [
        pod(rank).scheduled(last)
        if rank in ranks
        else pod(rank)
        .scheduled(last)
        .running()
        .but(scheduled_at=at(last).timestamp(), started_at=began)
        for rank in range(4)
    ]


def ready(pods: list[Pod]) -> tuple[str, str]:
    [found] = [each for each in described(GIVEN, pods).conditions if each.type == "Ready"]
    return found.reason, found.message


def test_gang_gives_back_when_one_rank_does_not_run() -> None:
    plan = planned(GIVEN, behind(2))
    assert plan.ending is not None
    assert (plan.phase, plan.ending.cause, plan.next_attempt) == (
        Phase.QUEUED,
        Cause.START_TIMEOUT,
        True,
    )
    assert plan.message == (
        "gave back 4 of 4 nodes after spec.scheduling.startTimeoutSeconds, 60 s without another rank"
        " running: rank 2 (pod train-1-2 on node-2 since 2026-03-01T11:59:00Z): its containers have"
        " not started and the kubelet gives no reason"
    )


@pytest.mark.parametrize(
    ("last", "started"), [(-59, -80), (-80, -59)], ids=["a node", "a rank that runs"]
)
def test_limit_counts_from_the_last_progress(last: float, started: float) -> None:
    plan = planned(GIVEN, behind(2, last=last, started=started))
    assert (plan.ending, plan.wake_at) == (None, at(1))


@pytest.mark.parametrize(
    "pods",
    [gang(4), starting_gang(4), starting_gang(4, pod(0).scheduled(-500))],
    ids=["all run", "none has a node", "one has a node"],
)
def test_only_a_gang_with_all_nodes_has_this_limit(pods: list[Pod]) -> None:
    assert "without another rank running" not in planned(GIVEN, pods).message


def test_gang_that_has_run_has_no_such_limit() -> None:
    assert planned(job(start_timeout=1).running(), behind(2)).ending is None


@pytest.mark.parametrize(("ranks", "avoided"), [((2, 3), ["node-2"]), ((1, 2, 3), [])])
def test_node_is_avoided_if_few_are_behind(ranks: tuple[int, ...], avoided: list[str]) -> None:
    status = described(GIVEN, behind(*ranks))
    assert [node.name for node in status.avoided_nodes] == avoided
    assert (status.restarts, status.failures_since_checkpoint) == (0, 0)


def test_slow_rank_is_named_after_quiet_time() -> None:
    assert ready(behind(2, last=-29, started=-29)) == (
        "NotAllRanksRunning",
        "not every rank runs yet",
    )
    assert planned(GIVEN, behind(2, last=-29, started=-29)).wake_at == at(1)

    reason, message = ready(behind(2, last=-30, started=-30))
    assert reason == "NotAllRanksRunning"
    assert "rank 2 (pod train-1-2 on node-2 since 2026-03-01T11:59:30Z)" in message


def test_rank_with_a_kubelet_s_reason_is_named_first() -> None:
    pods = behind(1, 2)
    pods[2] = (
        pod(2).waiting("ImagePullBackOff", "no such image").but(scheduled_at=at(-60).timestamp())
    )
    message = planned(GIVEN, pods).message
    assert message.endswith(
        "rank 2 (pod train-1-2 on node-2 since 2026-03-01T11:59:00Z): "
        "ImagePullBackOff: no such image"
    )
