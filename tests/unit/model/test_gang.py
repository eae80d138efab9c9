"""The gang of a job, counted from its pods in one pass."""

from random import Random

import pytest

from stargate_operator.model.gang import Gang, PreviousPods
from stargate_operator.model.gang_index import GangIndex, observe_gang
from tests.kit.builders import NAMESPACE, NOW, GivenPod, at, gang, pod, starting_gang, without


def test_empty_gang_misses_all_ranks() -> None:
    found, previous_pods = observe_gang([], namespace=NAMESPACE, attempt=1, world_size=3)
    assert (found.created, found.missing_ranks, found.alive) == (0, (0, 1, 2), 0)
    assert (previous_pods.alive, previous_pods.failed, previous_pods.succeeded) == ((), (), ())


def test_ranks_being_created_are_absent_but_not_missing() -> None:
    found, _ = observe_gang(
        [pod(0)], namespace=NAMESPACE, attempt=1, world_size=4, creating=frozenset({1})
    )
    assert (found.absent_ranks, found.missing_ranks) == ((1, 2, 3), (2, 3))


def test_pods_are_counted_by_their_progress() -> None:
    pods = [
        pod(0),
        pod(1).scheduled(),
        pod(2).running(),
        pod(3).running().but(ready=False),
        pod(4).succeeded(),
        pod(5).failed(),
    ]
    found, _ = observe_gang(pods, namespace=NAMESPACE, attempt=1, world_size=7)
    assert (found.created, found.scheduled, found.running, found.ready) == (6, 5, 2, 1)
    assert (found.succeeded, found.alive, [each.rank for each in found.failed]) == (1, 4, [5])
    assert {each.rank for each in found.live_pods} == {0, 1, 2, 3}


def test_pods_of_other_attempts_are_previous_pods() -> None:
    old = [pod(0).running(), pod(1).failed(), pod(2).succeeded()]
    found, previous_pods = observe_gang(
        [*old, pod(0, attempt=2)], namespace=NAMESPACE, attempt=2, world_size=3
    )
    assert found.created == 1
    assert [
        [each.rank for each in kind] for kind in (previous_pods.alive, previous_pods.failed)
    ] == [[0], [1]]
    assert [each.rank for each in previous_pods.succeeded] == [2]


@pytest.mark.parametrize(
    "odd", [pod(4), pod(99), pod(-1), pod(0).but(name="copy", uid="copy")], ids=lambda p: p.rank
)
def test_pod_with_invalid_or_taken_rank_is_excluded(odd: GivenPod) -> None:
    found, previous_pods = observe_gang(
        [*starting_gang(4), odd], namespace=NAMESPACE, attempt=1, world_size=4
    )
    assert (found.created, found.absent_ranks, found.alive) == (4, (), 4)
    assert previous_pods.alive == (odd,)


@pytest.mark.parametrize(
    ("scheduled", "partly", "whole"), [(0, False, False), (3, True, False), (4, False, True)]
)
def test_partly_scheduled_means_neither_none_nor_all(
    scheduled: int, partly: bool, whole: bool
) -> None:
    pods = starting_gang(4, *(pod(rank).scheduled() for rank in range(scheduled)))
    found, _ = observe_gang(pods, namespace=NAMESPACE, attempt=1, world_size=4)
    assert (found.partly_scheduled, found.all_scheduled) == (partly, whole)


def test_gang_remembers_latest_scheduling_time() -> None:
    pods = [pod(0).scheduled(-20), pod(1).scheduled(-5), pod(2)]
    found, _ = observe_gang(pods, namespace=NAMESPACE, attempt=1, world_size=3)
    assert found.last_scheduled_at == at(-5).timestamp()


def test_unschedulable_rank_makes_gang_short_of_nodes() -> None:
    assert not observe_gang(starting_gang(4), namespace=NAMESPACE, attempt=1, world_size=4)[
        0
    ].short_of_nodes
    short, _ = observe_gang(
        starting_gang(4, pod(2).unschedulable("none fits")),
        namespace=NAMESPACE,
        attempt=1,
        world_size=4,
    )
    assert short.unschedulable is not None
    assert short.unschedulable.rank == 2


@pytest.mark.parametrize(
    ("reason", "stuck"),
    [
        ("", False),
        ("ContainerCreating", False),
        ("PodInitializing", False),
        ("ImagePullBackOff", True),
        ("CreateContainerConfigError", True),
    ],
)
def test_unstartable_container_differs_from_starting_one(reason: str, stuck: bool) -> None:
    found, _ = observe_gang([pod(0).waiting(reason)], namespace=NAMESPACE, attempt=1, world_size=1)
    assert (found.waiting is not None) is stuck


def test_gang_runs_when_all_ranks_run_or_succeeded() -> None:
    assert observe_gang(gang(4, pod(1).succeeded()), namespace=NAMESPACE, attempt=1, world_size=4)[
        0
    ].all_running
    assert not observe_gang(without(gang(4), 1), namespace=NAMESPACE, attempt=1, world_size=4)[
        0
    ].all_running
    assert not observe_gang(gang(4, pod(1).failed()), namespace=NAMESPACE, attempt=1, world_size=4)[
        0
    ].all_running


def test_gang_of_five_thousand_is_indexed_quickly() -> None:
    found, _ = observe_gang(gang(5000), namespace=NAMESPACE, attempt=1, world_size=5000)
    assert found.all_running
    assert NOW.timestamp() > found.last_scheduled_at > 0


def test_pod_relabelled_and_back_is_counted_once() -> None:
    gang_index, one = GangIndex(world_size=4), pod(1).running()
    relabelled = one.but(rank=3)
    for old, new in ((None, one), (one, relabelled), (relabelled, one), (one, None)):
        gang_index.take(old, new)
    assert gang_index.gang(namespace=NAMESPACE, attempt=1, world_size=4)[1].alive == ()


@pytest.mark.parametrize("seed", range(20))
def test_updated_index_equals_new_index(seed: int) -> None:
    dice, gang_index, pods = Random(seed), GangIndex(world_size=3), dict[str, GivenPod]()
    for _ in range(200):
        before = pod(dice.randrange(4), attempt=dice.choice([1, 2]))
        old = pods.get(before.name)
        base = before.but(uid=old.uid if old else f"uid-{dice.random()}")
        ways = [base, base.scheduled(), base.running(), base.running().deleted(), base.failed()]
        more = [base.unschedulable(), base.waiting("ErrImagePull"), None]
        new = dice.choice([*ways, *more, base.running().but(rank=2), base.but(owner_uid="other")])
        if new is None:
            pods.pop(before.name, None)
        else:
            pods[before.name] = new
        if (old, new) != (None, None):
            gang_index.take(old, new)
        for attempt in (1, 2):
            kept = gang_index.gang(namespace=NAMESPACE, attempt=attempt, world_size=3)
            anew = observe_gang(pods.values(), namespace=NAMESPACE, attempt=attempt, world_size=3)
            assert summary(*kept) == summary(*anew)


def summary(gang: Gang, previous_pods: PreviousPods) -> tuple[object, ...]:
    """Whatever the order in which the pods came."""
    counts = (gang.scheduled, gang.running, gang.ready, gang.succeeded, gang.alive, gang.created)
    parts = (gang.failed, previous_pods.alive, previous_pods.failed, previous_pods.succeeded)
    return counts, gang.missing_ranks, *(sorted(each.uid for each in part) for part in parts)
