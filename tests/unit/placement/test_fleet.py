"""The fleet follows the events of the watches."""

from stargate_types import AcceleratorClass
from tests.kit.builders import accelerator_class, compute_block, pod
from tests.unit.placement.machines import GivenFleet, machine, requests

CLASS: AcceleratorClass = accelerator_class()
WORKER = requests(devices="8", memory="256G")


def free(fleet: GivenFleet) -> int:
    fleet.clock.now += 60
    return fleet.count(None, CLASS).free_nodes


def test_pods_count_from_their_node_until_their_end() -> None:
    fleet = GivenFleet(machine("node-0"))
    waiting = pod(0)
    bound = waiting.scheduled().but(requests=WORKER)
    fleet.pod_changed(None, waiting)
    assert free(fleet) == 1
    fleet.pod_changed(waiting, bound)
    assert free(fleet) == 0
    fleet.pod_changed(bound, bound.running())
    assert free(fleet) == 0
    fleet.pod_changed(bound.running(), bound.succeeded())
    assert free(fleet) == 1


def test_pod_being_deleted_still_holds_its_node() -> None:
    fleet = GivenFleet(machine("node-0"))
    bound = pod(0).running().but(requests=WORKER)
    fleet.pod_changed(None, bound)
    fleet.pod_changed(bound, bound.deleted())
    assert free(fleet) == 0
    fleet.pod_changed(bound.deleted(), None)
    assert free(fleet) == 1


def test_changes_of_a_node_are_counted() -> None:
    fleet = GivenFleet(machine("a"))
    fleet.node_changed(machine("a"), machine("a", cordoned=True))
    assert free(fleet) == 0
    fleet.node_changed(machine("a", cordoned=True), None)
    assert fleet.count(None, CLASS, fresh=0).unavailable == 0


def test_equal_pod_is_no_change() -> None:
    fleet = GivenFleet(machine("a"))
    bound = pod(0).scheduled().but(requests=WORKER)
    fleet.pod_changed(None, bound)
    before = fleet.changes
    fleet.pod_changed(bound, bound.running())
    assert fleet.changes == before


def test_a_count_is_reused_for_a_second() -> None:
    fleet = GivenFleet(machine("a"))
    first = fleet.count(None, CLASS)
    fleet.node_changed(None, machine("b"))
    assert fleet.count(None, CLASS) is first
    fleet.clock.now += 1
    assert fleet.count(None, CLASS).nodes == 2


def test_topology_domains_come_from_nodes_of_the_block() -> None:
    fleet = GivenFleet(
        machine("a", labels={"zone": "1", "row": "x"}),
        machine("b", labels={"zone": "2", "row": "x"}),
        machine("c", labels={"zone": "3"}),
        machine("d", labels={"row": "x"}),
    )
    block = compute_block("x", node_selector={"row": "x"})
    assert fleet.domains(block, "zone") == [("zone", "1"), ("zone", "2")]
