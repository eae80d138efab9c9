"""The count of free capacity, and the nodes that do not count."""

from typing import Any

import pytest

from stargate_types.block import AcceleratorCapacity, NodeGroup
from stargate_types.podparts import Toleration
from tests.kit.builders import accelerator_class, compute_block
from tests.unit.placement.machines import GivenFleet, machine

TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}


def told(fleet: GivenFleet, **spec: Any) -> AcceleratorCapacity:
    return fleet.count(None, accelerator_class(**spec)).capacity()


def test_an_empty_fleet_is_all_free() -> None:
    found = told(GivenFleet(machine("a"), machine("b")), gpu_equivalents_per_device=2)
    assert (found.nodes, found.free_nodes, found.unavailable_nodes) == (2, 2, 0)
    assert (found.gpu_equivalents, found.free_gpu_equivalents) == (32, 32)
    assert found.allocatable_memory_gb == 1024
    everything = NodeGroup(devices=8, memory_gb=512, cpus=64, nodes=2)
    assert found.histogram == found.machines == [everything]


def test_histogram_shows_half_used_nodes() -> None:
    fleet = GivenFleet(machine("a"), machine("b"), machine("c"))
    fleet.runs("a", devices="2", memory="100G", cpu="3950m")
    fleet.runs("b", devices="8")
    found = told(fleet)
    assert (found.free_nodes, found.free_gpu_equivalents) == (1, 14)
    assert [(each.devices, each.memory_gb, each.cpus, each.nodes) for each in found.histogram] == [
        (8, 512, 64, 1),
        (6, 412, 60, 1),
        (0, 512, 64, 1),
    ]
    assert [(each.devices, each.nodes) for each in found.machines] == [(8, 3)]


@pytest.mark.parametrize(
    ("what", "trouble"),
    [
        ("cordoned", {"cordoned": True}),
        ("not ready", {"ready": "False"}),
        ("silent", {"ready": "Unknown"}),
        ("tainted", {"taints": (TAINT,)}),
    ],
)
def test_node_that_takes_no_worker_is_unavailable(what: str, trouble: dict[str, Any]) -> None:
    found = told(GivenFleet(machine("a"), machine("b", **trouble)))
    assert (found.nodes, found.free_nodes, found.unavailable_nodes) == (1, 1, 1), what
    assert sum(each.nodes for each in found.machines) == 2, "it may come back"


@pytest.mark.parametrize(
    ("toleration", "usable"),
    [
        (Toleration(key="team", value="a"), True),
        (Toleration(key="team", value="b"), False),
        (Toleration(key="team", operator="Exists"), True),
        (Toleration(key="team", operator="Exists", effect="NoExecute"), False),
        (Toleration(key="team", operator="Exists", effect="NoSchedule"), True),
        (Toleration(operator="Exists"), True),
    ],
)
def test_tolerated_taint_is_ignored(toleration: Toleration, usable: bool) -> None:
    found = told(GivenFleet(machine(taints=(TAINT,))), tolerations=[toleration])
    assert (found.nodes == 1) is usable


def test_prefer_no_schedule_taint_is_ignored() -> None:
    prefers = {"key": "team", "effect": "PreferNoSchedule"}
    assert told(GivenFleet(machine(taints=(prefers,)))).nodes == 1


def test_only_selected_nodes_with_devices_count() -> None:
    fleet = GivenFleet(
        machine("a", labels={"gpu": "v2"}),
        machine("b", labels={"gpu": "v1"}),
        machine("c", labels={"gpu": "v2"}, devices=0),
    )
    assert told(fleet, node_selector={"gpu": "v2"}).nodes == 1


def test_only_the_block_s_nodes_count() -> None:
    fleet = GivenFleet(machine("a", labels={"row": "1"}), machine("b", labels={"row": "2"}))
    block = compute_block("row-1", node_selector={"row": "1"})
    assert fleet.count(block, accelerator_class()).nodes == 1


def test_extra_resources_limit_the_workers() -> None:
    fleet = GivenFleet(
        machine("a", has={"rdma/hca": "2"}),
        machine("b", has={"rdma/hca": "2"}),
        machine("c"),
    )
    fleet.runs("a", **{"rdma/hca": "1"})
    found = told(fleet, extra_resources={"rdma/hca": "1"})
    assert found.nodes == 2, "one without any is no such hardware"
    assert [each.workers for each in found.histogram] == [2, 1]


def test_a_node_full_of_pods_takes_no_worker() -> None:
    fleet = GivenFleet(machine("a", pods="1"))
    fleet.runs("a", cpu="100m")
    assert [each.workers for each in told(fleet).histogram] == [0]


def test_ended_pod_gives_its_resources_back() -> None:
    fleet = GivenFleet(machine("a"))
    held = ("a", {"stargate.dev/silicon-v2": 8})
    fleet.held(None, held)
    fleet.held(held, None)
    assert told(fleet).free_nodes == 1


def test_more_requests_than_a_node_has_leave_nothing() -> None:
    fleet = GivenFleet(machine("a", devices=4))
    fleet.runs("a", devices="8")
    assert told(fleet).free_gpu_equivalents == 0


def test_varied_fleet_is_rounded_to_a_bounded_size() -> None:
    fleet = GivenFleet(*(machine(f"n{i}", memory=f"{200 + i}G") for i in range(300)))
    for i in range(300):
        fleet.runs(f"n{i}", devices=str(i % 8), memory=f"{i % 97}G", cpu=f"{i * 7}m")
    counted = fleet.count(None, accelerator_class())
    found = counted.capacity()
    assert len(found.histogram) <= 64
    assert len(found.machines) <= 64
    assert sum(each.nodes for each in found.histogram) == 300
    free = sum(each.nodes * (each.memory_gb or 0) for each in found.histogram)
    could = sum(each.nodes * (each.memory_gb or 0) for each in found.machines)
    assert free <= sum(nodes * (kind.memory_gb or 0) for kind, nodes in counted.free.items())
    assert could >= sum(nodes * (kind.memory_gb or 0) for kind, nodes in counted.machines.items())
