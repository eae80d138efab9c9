"""The capacity of blocks on a fleet shared with others, and the placement of gangs by it."""

import time
from typing import Any

from tests.kit.blocks import Blocks
from tests.kit.racks import Racks
from tests.kit.recorder.history import Job, Json
from tests.kit.story import Story, condition
from tests.kit.tenants import foreign


def block_writes(story: Story) -> list[Any]:
    requests = story.recorder.requests()
    return [each for each in requests if each.writes and each.resource == "computeblocks/status"]


def place(**placement: Any) -> Json:
    return {"scheduling": {"placement": placement}}


def blocks_of(job: Job) -> list[str]:
    return [(each.get("block") or "").partition("/")[0] for each in job.attempts]


def test_unavailable_nodes_and_foreign_pods_reduce_capacity(
    story: Story, racks: Racks, blocks: Blocks
) -> None:
    rack = racks.build(0)
    nodes = racks.add(rack, 6)
    block = blocks.of(rack)
    blocks.wait(block, rack, nodes=6, free_nodes=6, gpu_equivalents=48)

    foreign(story, "tenant", nodes[0], rack, devices=3, memory="100G")
    racks.cordon(nodes[1])
    racks.taint(nodes[2])
    racks.says(nodes[3], "Unknown")

    found = blocks.wait(block, rack, nodes=3, free_nodes=2, unavailable_nodes=3)
    assert (found.gpu_equivalents, found.free_gpu_equivalents) == (24, 21)
    free = [(group.devices, group.memory_gb, group.cpus, group.nodes) for group in found.histogram]
    assert free == [(8, 512, 64, 2), (5, 412, 62.5, 1)]
    assert [(each.devices, each.memory_gb, each.nodes) for each in found.machines] == [(8, 512, 6)]

    job = story.apply(nodes=1, acceleratorType=rack)
    job.wait_phase("Running")
    blocks.wait(block, rack, free_nodes=1)
    job.finish()
    racks.uncordon(nodes[1])
    racks.says(nodes[3], "True")
    blocks.wait(block, rack, nodes=5, free_nodes=4, unavailable_nodes=1)


def test_finished_pod_holds_no_capacity(story: Story, racks: Racks, blocks: Blocks) -> None:
    rack = racks.build(0)
    [node] = racks.add(rack, 1)
    block = blocks.of(rack)
    path = foreign(story, "tenant", node, rack, devices=8, memory="1G")
    blocks.wait(block, rack, free_nodes=0)
    story.api.patch(f"{path}/status", {"status": {"phase": "Succeeded"}})
    blocks.wait(block, rack, free_nodes=1)


def test_block_writes_are_few_and_stop_at_rest(story: Story, racks: Racks, blocks: Blocks) -> None:
    rack = racks.build(30)
    block = blocks.of(rack)
    blocks.wait(block, rack, free_nodes=30)
    before, began = len(block_writes(story)), time.monotonic()

    story.apply(nodes=30, acceleratorType=rack).wait_phase("Running")
    blocks.wait(block, rack, free_nodes=0)

    written = len(block_writes(story)) - before
    # there are two blocks, and each is written at most once in two seconds
    most = 2 * (2 + (time.monotonic() - began) / 2)
    assert 1 <= written <= most
    time.sleep(4)
    settled = len(block_writes(story))
    time.sleep(6)
    assert len(block_writes(story)) == settled


def test_operator_uses_but_never_writes_external_block(
    story: Story, racks: Racks, blocks: Blocks
) -> None:
    rack = racks.build(2)
    theirs = blocks.draw(f"{rack}-theirs", {}, accounting="External")
    blocks.wait(blocks.of(rack), rack, nodes=2)
    assert "status" not in blocks.raw(theirs)

    capacity = {
        "acceleratorType": rack,
        "nodes": 2,
        "freeNodes": 0,
        "gpuEquivalents": 16,
        "freeGpuEquivalents": 0,
        "allocatableMemoryGb": 0,
    }
    status = {"observedTime": "2026-01-01T00:00:00Z", "accelerators": [capacity]}
    path = f"/apis/stargate.dev/v1alpha1/computeblocks/{theirs}/status"
    story.api.patch(path, {"status": status})
    job = story.apply(nodes=1, acceleratorType=rack, **place(computeBlock=theirs))
    job.wait_condition("Scheduled", "False", "NoBlockFits")

    capacity["histogram"] = [{"devices": 8, "nodes": 1}]
    story.api.patch(path, {"status": status})

    assert blocks_of(job.wait_phase("Running")) == [theirs]


def rows(racks: Racks, blocks: Blocks, sizes: dict[str, int], **spec: Any) -> str:
    """Builds racks of one accelerator type in rows; each row is a block."""
    rack = racks.build(0)
    for row, nodes in sizes.items():
        racks.add(rack, nodes, row=f"{rack}-{row}")
        blocks.draw(f"{rack}-{row}", {"row": f"{rack}-{row}"}, **spec)
        blocks.wait(f"{rack}-{row}", rack, nodes=nodes)
    return rack


def test_gang_is_placed_in_the_fitting_block(story: Story, racks: Racks, blocks: Blocks) -> None:
    rack = rows(racks, blocks, {"a": 2, "b": 4}, maxLatencyMs=0.5)
    job = story.apply(nodes=3, acceleratorType=rack, **place(maxLatencyMs=1))

    running = job.wait_phase("Running")

    assert blocks_of(running) == [f"{rack}-b"]
    for pod in job.pods():
        assert pod.raw["spec"]["nodeSelector"]["row"] == f"{rack}-b"
    second = story.apply("second", nodes=2, acceleratorType=rack, **place(maxLatencyMs=1))
    assert blocks_of(second.wait_phase("Running")) == [f"{rack}-a"]


def test_restarted_gang_may_move_to_another_block(
    story: Story, racks: Racks, blocks: Blocks
) -> None:
    rack = rows(racks, blocks, {"a": 2, "b": 2}, maxLatencyMs=0.5)
    job = story.apply(nodes=2, acceleratorType=rack, **place(maxLatencyMs=1))
    first = blocks_of(job.wait_phase("Running"))[0]
    racks.cordon(job.rank(0).node)
    job.kill(0, 1)

    again = blocks_of(job.wait_phase("Running", attempt=2))

    assert again[0] == first
    assert again[1] != first


def test_all_ranks_share_one_topology_domain(story: Story, racks: Racks, blocks: Blocks) -> None:
    zone = "topology.kubernetes.io/zone"
    rack = racks.build(8)  # two machines in each of four zones
    blocks.wait(blocks.of(rack), rack, nodes=8)
    job = story.apply(nodes=2, acceleratorType=rack, **place(topologyKey=zone, computeBlock=rack))
    job.wait_phase("Running")
    zones = {
        story.api.get(f"/api/v1/nodes/{pod.node}")["metadata"]["labels"][zone] for pod in job.pods()
    }
    assert len(zones) == 1
    assert job.now.attempts[0]["domain"] == f"{zone}={zones.pop()}"

    wide = story.apply("wide", nodes=3, acceleratorType=rack, **place(topologyKey=zone))
    accepted = wide.wait_condition("Accepted", "False", "NoBlockFits")
    assert f"no one {zone} has room for 3 workers" in accepted["message"]


def test_job_with_missing_block_waits_for_it(story: Story, racks: Racks, blocks: Blocks) -> None:
    rack = racks.build(2)
    job = story.apply(nodes=2, acceleratorType=rack, **place(computeBlock=rack))
    accepted = job.wait_condition("Accepted", "False", "ComputeBlockNotFound", 10)
    assert f"there is no ComputeBlock {rack!r}" in accepted["message"]
    assert "cluster" in accepted["message"]
    assert job.now.phase == "Pending"

    blocks.of(rack)

    assert condition(job.wait_phase("Running"), "Accepted")["status"] == "True"


def test_job_waits_without_pods_for_full_block(story: Story, racks: Racks, blocks: Blocks) -> None:
    rack = racks.build(0)
    nodes = racks.add(rack, 2)
    tenant = foreign(story, "tenant", nodes[0], rack, devices=1, memory="1G")
    blocks.wait(blocks.of(rack), rack, free_nodes=1)
    job = story.apply(nodes=2, acceleratorType=rack, **place(computeBlock=rack))
    scheduled = job.wait_condition("Scheduled", "False", "NoBlockFits")
    assert scheduled["message"] == f"waits for room for 2 workers in ComputeBlock {rack}"
    assert (job.now.phase, job.pods()) == ("Queued", [])
    assert condition(job.now, "Accepted")["status"] == "True"
    story.recorder.assert_quiet(2)

    story.api.delete(tenant, {"gracePeriodSeconds": 0})

    assert job.wait_phase("Running", seconds=30).attempt == 1


def test_infeasible_gang_gets_reason_never_fits(story: Story, racks: Racks) -> None:
    rack = racks.build(0)
    racks.add(rack, 2, memory="240G")
    job = story.apply(nodes=1, acceleratorType=rack)
    scheduled = job.wait_condition("Scheduled", "False", "NeverFits")
    assert "memoryGbPerNode: 256G > 240G allocatable on any one node" in scheduled["message"]
    large = story.apply(
        "large",
        nodes=3,
        acceleratorType=rack,
        resourceAllocation={"nodes": 3, "gpuEquivalentsPerNode": 8, "memoryGbPerNode": 100},
    )
    scheduled = large.wait_condition("Scheduled", "False", "NeverFits")
    assert "3 workers, and room for 2 if nothing else ran" in scheduled["message"]

    job.delete()
    racks.add(rack, 1)

    large.wait_phase("Running", seconds=40)
