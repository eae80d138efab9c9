"""The index of a job's pods, kept up to date change by change."""

import random
from typing import Any

import pytest

from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.gang_index import GangIndex, observe_gang
from stargate_operator.model.pod import FAILED, Pod
from tests.kit.builders import NAMESPACE, pod

SIZE = 4


def any_pod(dice: random.Random, rank: int, attempt: int) -> Pod:
    """A rank that has succeeded stays so: that is tested on its own."""
    fresh = pod(rank, attempt=attempt)
    return dice.choice([fresh, fresh.running(), fresh.failed(), fresh.unschedulable("none fits")])


def counts(found: tuple[Gang, PreviousPods]) -> object:
    gang, previous_pods = found
    numbers = (gang.created, gang.scheduled, gang.running, gang.ready, gang.succeeded, gang.alive)
    failed = {each.uid for each in gang.failed}
    kinds = (previous_pods.alive, previous_pods.failed, previous_pods.succeeded)
    left = [{each.uid for each in kind} for kind in kinds]
    return numbers, failed, gang.short_of_nodes, gang.absent_ranks, left


@pytest.mark.parametrize("seed", range(30))
def test_index_after_random_changes_equals_new_index(seed: int) -> None:
    dice, gang_index, standing = (
        random.Random(seed),
        GangIndex(world_size=SIZE),
        dict[tuple[int, int], Pod](),
    )
    for _ in range(200):
        key = (dice.randrange(SIZE + 1), dice.randint(1, 2))
        old = standing.pop(key, None)
        new = any_pod(dice, *key) if old is None or dice.random() < 0.7 else None
        if new is not None:
            standing[key] = new
        gang_index.take(old, new)
        kept = gang_index.gang(namespace=NAMESPACE, attempt=2, world_size=SIZE)
        assert counts(kept) == counts(
            observe_gang(standing.values(), namespace=NAMESPACE, attempt=2, world_size=SIZE)
        )


def test_only_changes_that_affect_decisions_are_urgent() -> None:
    gang_index = GangIndex(world_size=2)
    one, two = pod(0), pod(1)
    assert not gang_index.take(None, one)
    assert not gang_index.take(None, two)
    assert not gang_index.take(one, one.running()), "one of two runs: no hurry"
    assert gang_index.take(two, two.running()), "all ranks have come up"
    assert gang_index.take(two.running(), two.failed()), "a rank failed"
    assert not gang_index.take(two.failed(), None), "a dead pod is gone: it held nothing"
    assert gang_index.take(one.running(), None), "the last live pod of the attempt has gone"


def test_size_known_later_is_applied_to_all_pods() -> None:
    gang_index = GangIndex([pod(0), pod(7)])
    gang, previous_pods = gang_index.gang(namespace=NAMESPACE, attempt=1, world_size=4)
    assert gang.created == 1
    assert [each.rank for each in previous_pods.alive] == [7]


def test_pod_with_other_owner_is_excluded_despite_labels() -> None:
    stranger = pod(0).but(owner_uid="someone-else")
    gang, previous_pods = GangIndex([stranger], world_size=1).gang(
        namespace=NAMESPACE, attempt=1, world_size=1
    )
    assert gang.created == 0
    assert previous_pods == PreviousPods()


@pytest.mark.parametrize("genuine_first", [True, False])
def test_pod_in_other_namespace_is_excluded_despite_labels(
    genuine_first: bool,
) -> None:
    genuine, forged = pod(0).running(), pod(0).failed().but(namespace="team-b", uid="forged")
    beyond = pod(9).running().but(namespace="team-b", uid="beyond")
    pods = [genuine, forged, beyond] if genuine_first else [forged, beyond, genuine]
    gang_index = GangIndex(world_size=1)
    for each in pods:
        gang_index.take(None, each)
    gang, previous_pods = gang_index.gang(namespace=NAMESPACE, attempt=1, world_size=1)
    assert gang.all_running
    assert gang.failed == ()
    assert previous_pods == PreviousPods()


def gang_of(index: GangIndex, **given: Any) -> Gang:
    return index.gang(namespace=NAMESPACE, attempt=1, world_size=2, **given)[0]


@pytest.mark.parametrize(
    "later",
    [None, pod(0).failed(), pod(0).succeeded().deleted()],
    ids=["gone", "failed", "deleted"],
)
def test_rank_that_succeeded_stays_succeeded(later: Pod | None) -> None:
    done = pod(0).succeeded()
    index = GangIndex([done, pod(1).running()], world_size=2)

    index.take(done, later)

    gang = gang_of(index)
    assert (gang.succeeded, gang.failed, gang.absent_ranks) == (1, (), ())
    assert gang.all_running
    assert gang.all_scheduled


def test_success_in_the_status_counts_without_its_pod() -> None:
    index = GangIndex([pod(1).running()], world_size=2)
    gang = gang_of(index, succeeded=[0])
    assert (gang.succeeded, gang.absent_ranks) == (1, ())


def test_rank_whose_worker_ran_vanishes_with_its_pod() -> None:
    ran, waits = pod(0).running(), pod(1)
    index = GangIndex([ran, waits], world_size=2)

    index.take(ran, None)
    index.take(waits, None)

    gang = gang_of(index)
    assert (gang.absent_ranks, gang.vanished, gang.seen) == ((0, 1), {0: ran}, 2)


def test_evicted_pod_whose_worker_ran_vanishes() -> None:
    """The kubelet may fail a pod without a word about its container."""
    ran = pod(0).running()
    evicted = ran.but(phase=FAILED, status_reason="Evicted", terminated=None)
    index = GangIndex([ran, pod(1)], world_size=2)

    index.take(ran, evicted)
    index.take(evicted, None)

    assert gang_of(index).vanished == {0: evicted}
