"""The node tracker: nodes that are not ready, since when, and the jobs that this concerns."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stargate_operator.informers.node_tracker import NodeLossTimes, NodeTracker
from stargate_operator.model.node import Node
from stargate_operator.model.pod import Pod
from tests.kit.builders import JOB_UID, at, gang


def node(name: str, *, ready: bool = True, silent: bool = False) -> Node:
    return Node(name, f"uid-{name}", 1, ready, silent)


@dataclass
class World:
    """Four nodes with a rank each, and as many without; time stands still unless it is told."""

    pods: list[Pod] = field(default_factory=lambda: list(gang(4)))
    passed: float = 0.0
    set_by: float = 0.0

    def __post_init__(self) -> None:
        times = NodeLossTimes(timedelta(seconds=30), timedelta(seconds=600))
        self.node_tracker = NodeTracker(
            times, every_pod=lambda: self.pods, clock=self.now, monotonic=lambda: self.passed
        )
        for name in range(8):
            self.node_tracker.take(node(f"node-{name}"), None)

    def now(self) -> datetime:
        return at(self.passed + self.set_by)

    def falls_silent(self, *numbers: int) -> None:
        for number in numbers:
            assert self.node_tracker.take(node(f"node-{number}", ready=False, silent=True), None)

    def lost(self) -> list[str]:
        return list(self.node_tracker.about(self.pods, ()).lost(self.now()))


def test_unready_node_is_lost_after_the_time() -> None:
    world = World()
    world.falls_silent(2)
    for passed, lost in ((0, []), (29, []), (30, ["node-2"])):
        world.passed = passed
        assert world.lost() == lost


def test_only_nodes_with_live_pods_concern_a_job() -> None:
    world = World()
    world.falls_silent(2, 5)
    assert set(world.node_tracker.about(world.pods, ()).unready) == {"node-2"}
    assert world.node_tracker.concerned({"node-2"}) == {JOB_UID}
    assert world.node_tracker.concerned({"node-5"}) == set()


def test_node_that_comes_back_starts_its_time_again() -> None:
    world = World()
    world.falls_silent(2)
    world.passed = 29
    assert world.node_tracker.take(node("node-2"), None)
    world.falls_silent(2)
    world.passed = 58
    assert not world.lost()


def test_other_changes_keep_the_time_of_node() -> None:
    world = World()
    world.falls_silent(2)
    world.passed = 29
    world.node_tracker.take(node("node-2", ready=False), None)
    world.passed = 31
    assert world.lost() == ["node-2"]
    assert not world.node_tracker.about(world.pods, ()).unready["node-2"].silent


def test_new_node_of_same_name_replaces_lost_one() -> None:
    world = World()
    assert world.node_tracker.take(None, node("node-2"))
    world.passed = 31
    assert world.lost() == ["node-2"]
    assert world.node_tracker.take(node("node-2"), None)
    assert not world.lost()


def test_node_deleted_before_start_is_found_by_pods() -> None:
    world = World(pods=[*gang(4), gang(9)[8]])
    world.node_tracker.miss({pod.node for pod in world.pods})
    world.passed = 31
    assert world.lost() == ["node-8"]


def test_changed_clock_loses_no_node() -> None:
    world = World()
    world.falls_silent(2)
    world.set_by = 3600
    assert not world.lost()


def test_shown_time_of_an_unready_node_stays_equal() -> None:
    world = World()
    world.falls_silent(2)
    told = set()
    for step in range(100):
        world.passed, world.set_by = step / 7, step * 1e-6
        told.add(world.node_tracker.about(world.pods, ()).unready["node-2"].since)
    assert len(told) == 1


def test_outage_means_more_silent_than_ready_nodes() -> None:
    world = World(pods=list(gang(8)))
    world.falls_silent(0, 1, 2, 3)
    world.passed = 60
    assert len(world.lost()) == 4
    world.falls_silent(4)
    world.passed = 120
    assert world.node_tracker.about(world.pods, ()).outage
    assert not world.lost()
    world.node_tracker.take(node("node-4"), None)
    assert len(world.lost()) == 4


def test_dead_nodes_without_pods_make_no_outage() -> None:
    world = World(pods=gang(4)[:1])
    world.falls_silent(0, 2, 3, 4, 5, 6)
    world.passed = 60
    assert world.lost() == ["node-0"]


def test_avoided_node_that_is_ready_again_is_reported() -> None:
    world = World()
    world.falls_silent(5)
    node_health = world.node_tracker.about(world.pods, ["node-5", "node-6", "unheard-of"])
    assert node_health.ready_again == {"node-6"}


def test_pods_tolerate_unready_nodes_longer_than_operator() -> None:
    assert World().node_tracker.tolerated_seconds == 330
