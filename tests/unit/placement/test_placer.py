"""The choice of a gang's block."""

from typing import Any

import pytest

from stargate_operator.informers.jobs import Jobs
from stargate_operator.model.blueprint import Blueprint, Refusal
from stargate_operator.placement.placer import Placer
from stargate_types import ComputeBlock
from stargate_types.block import AcceleratorCapacity, ComputeBlockStatus, NodeGroup
from stargate_types.job_policies import Placement, Scheduling
from stargate_types.status import Phase, Workers
from tests.kit.builders import NOW, GivenJob, attempt, blueprint, compute_block, job
from tests.unit.placement.machines import GivenFleet, catalog, machine


def asking(nodes: int = 2, **placement: Any) -> GivenJob:
    return job(nodes=nodes, scheduling=Scheduling(placement=Placement(**placement)))


def row(name: str, **spec: Any) -> ComputeBlock:
    return compute_block(name, node_selector={"row": name}, **spec)


def machines(sizes: dict[str, int], **more: Any) -> GivenFleet:
    """As many machines in each row."""
    return GivenFleet(
        *(
            machine(f"{name}-{i}", labels={"row": name, "rack": f"{name}{i % 2}"}, **more)
            for name, size in sizes.items()
            for i in range(size)
        )
    )


def placed(
    wanted: GivenJob, fleet: GivenFleet, *blocks: ComputeBlock, others: tuple[GivenJob, ...] = ()
) -> Blueprint | Refusal:
    jobs = Jobs()
    for each in others:
        jobs.put(each)
    placer = Placer(fleet, catalog(*blocks), jobs)
    return placer.assess(wanted, blueprint(wanted), short_of_nodes=False).blueprint


def where(found: Blueprint | Refusal) -> str:
    assert isinstance(found, Blueprint), found
    assert found.place is not None
    return found.place.block.metadata.name


def refusal(found: Blueprint | Refusal) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


FLEET = {"a": 2, "b": 4}


def test_job_without_placement_gets_no_block() -> None:
    found = placed(job(nodes=9), machines(FLEET), row("a"))
    assert isinstance(found, Blueprint)
    assert found.place is None


def test_job_gets_the_block_that_it_names() -> None:
    found = placed(asking(compute_block="b"), machines(FLEET), row("a"), row("b"))
    assert where(found) == "b"
    assert isinstance(found, Blueprint)
    assert found.block_id == "b/b-uid/1"


def test_smallest_block_that_fits_is_chosen() -> None:
    blocks = (row("a", max_latency_ms=2), row("b", max_latency_ms=1))
    assert where(placed(asking(max_latency_ms=5), machines(FLEET), *blocks)) == "a"
    assert where(placed(asking(3, max_latency_ms=5), machines(FLEET), *blocks)) == "b"
    assert where(placed(asking(max_latency_ms=1), machines(FLEET), *blocks)) == "b"


def test_unknown_block_is_refused_with_the_known_ones() -> None:
    found = refusal(placed(asking(compute_block="raw-a"), machines(FLEET), row("row-a"), row("b")))
    assert found.reason == "ComputeBlockNotFound"
    assert "'raw-a'; did you mean 'row-a'? there are b, row-a" in found.message
    assert not found.waits


def test_job_waits_for_a_full_block() -> None:
    fleet = machines(FLEET)
    fleet.runs("a-0", devices="1")
    found = refusal(placed(asking(compute_block="a"), fleet, row("a"), row("b")))
    assert (found.reason, found.waits) == ("NoBlockFits", True)
    assert found.message == "waits for room for 2 workers in ComputeBlock a"


def test_message_names_each_block_that_never_fits() -> None:
    blocks = row("a", max_latency_ms=8), row("b", max_latency_ms=1)
    found = refusal(placed(asking(5, max_latency_ms=5), machines(FLEET), *blocks))
    assert (found.reason, found.waits) == ("NoBlockFits", False)
    assert "a: spec.scheduling.placement.maxLatencyMs: 8 ms > 5 ms" in found.message
    assert "b: spec.resourceAllocation.nodes: 5 workers, and room for 4" in found.message


def test_starting_gangs_take_the_room_of_their_block() -> None:
    coming = job("other", nodes=3).having(
        phase=Phase.STARTING,
        attempts=[attempt(nodes=3).model_copy(update={"block": "b/b-uid/1"})],
        workers=Workers(desired=3, scheduled=1),
    )
    coming = coming.model_copy(
        update={"metadata": coming.metadata.model_copy(update={"uid": "other"})}
    )
    fleet, blocks = machines(FLEET), (row("b"),)
    assert where(placed(asking(2, compute_block="b"), fleet, *blocks, others=(coming,))) == "b"
    assert refusal(placed(asking(3, compute_block="b"), fleet, *blocks, others=(coming,))).waits


def test_attempt_keeps_its_block() -> None:
    """Its own pods have taken the room meanwhile."""
    fleet = machines({"b": 2})
    for name in ("b-0", "b-1"):
        fleet.runs(name, devices="8")
    resolved = attempt().model_copy(update={"block": "b/b-uid/1", "domain": "rack=b0"})
    wanted = asking(2, compute_block="b").having(attempt=1, attempts=[resolved])
    found = placed(wanted, fleet, row("b"))
    assert where(found) == "b"
    assert isinstance(found, Blueprint)
    assert found.place is not None
    assert found.place.node_selector == {"row": "b", "rack": "b0"}
    assert "was deleted" in refusal(placed(wanted, fleet, row("a"))).message


def test_one_topology_domain_holds_all_ranks() -> None:
    fleet = machines({"b": 4})
    fleet.runs("b-0", devices="1")
    found = placed(asking(2, topology_key="rack"), fleet, row("b"))
    assert isinstance(found, Blueprint)
    assert found.domain == "rack=b1"


def test_message_says_if_no_domain_ever_has_room() -> None:
    fleet = machines({"b": 4})
    for name in ("b-0", "b-1"):
        fleet.runs(name, devices="1")
    assert refusal(placed(asking(2, topology_key="rack"), fleet, row("b"))).waits
    never = refusal(placed(asking(3, topology_key="rack"), machines({"b": 4}), row("b")))
    assert not never.waits
    assert "no one rack has room for 3 workers" in never.message


def test_external_block_is_judged_by_its_status() -> None:
    capacity = AcceleratorCapacity(
        accelerator_type="stargate_silicon_v2",
        nodes=4,
        free_nodes=1,
        gpu_equivalents=32,
        free_gpu_equivalents=8,
        allocatable_memory_gb=0,
        histogram=[NodeGroup(devices=8, nodes=1)],
    )
    told = ComputeBlockStatus(observed_time=NOW, accelerators=[capacity])
    block = row("b", accounting="External").model_copy(update={"status": told})
    assert where(placed(asking(1, compute_block="b"), machines({"b": 4}), block)) == "b"
    assert refusal(placed(asking(2, compute_block="b"), machines({"b": 4}), block)).waits


def never(wanted: GivenJob, fleet: GivenFleet) -> str:
    placer = Placer(fleet, catalog(), Jobs())
    return placer.assess(wanted, blueprint(wanted), short_of_nodes=True).never_fits


def test_gang_that_no_node_can_hold_never_fits() -> None:
    fleet = machines({"a": 2}, memory="240G")
    assert "256G > 240G allocatable" in never(job(nodes=1), fleet)
    assert "3 workers, and room for 2" in never(job(nodes=3), machines({"a": 2}))
    assert never(job(nodes=2), machines({"a": 2})) == ""


def test_room_is_found_when_all_ranks_fit() -> None:
    def has_room(nodes: int) -> bool:
        fleet, wanted = machines({"a": 3}), job(nodes=nodes).queued()
        fleet.runs("a-0", devices="1")
        placer = Placer(fleet, catalog(), Jobs())
        return placer.assess(wanted, blueprint(wanted), short_of_nodes=False).has_room

    assert has_room(2)
    assert not has_room(3)


class UncountableFleet(GivenFleet):
    """A fleet that must not be counted: that costs milliseconds in a large cluster."""

    def count(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the fleet was counted")


def test_nodes_are_counted_only_for_waiting_gangs() -> None:
    placer = Placer(UncountableFleet(), catalog(), Jobs())
    for settled in (job().starting(), job().running(), job().restarting()):
        found = placer.assess(settled, blueprint(settled), short_of_nodes=False)
        assert (found.has_room, found.never_fits) == (False, "")
    with pytest.raises(AssertionError, match="counted"):
        placer.assess(job().queued(), blueprint(job()), short_of_nodes=False)
    with pytest.raises(AssertionError, match="counted"):
        placer.assess(job().starting(), blueprint(job()), short_of_nodes=True)
