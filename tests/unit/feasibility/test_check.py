"""The answer if a job can run, and messages that say what would be right."""

from decimal import Decimal
from typing import Any

import pytest

from stargate_feasibility import Answer, Feasibility, Quota, check
from stargate_types import ComputeBlock, ComputeBlockStatus
from stargate_types.block import AcceleratorCapacity, NodeGroup
from stargate_types.job import ResourceAllocation
from stargate_types.job_policies import Placement, Scheduling
from stargate_types.worker_template import WorkerTemplate
from tests.kit.builders import NOW, GivenJob, accelerator_class, compute_block, job, runtime


def told(
    name: str = "cluster",
    *,
    free: int = 100,
    nodes: int = 100,
    memory: int = 512,
    cpus: float = 64,
    **spec: Any,
) -> ComputeBlock:
    """A block of equal nodes with 8 devices; `free` of the nodes are free."""
    group = {"devices": 8, "memory_gb": memory, "cpus": cpus}
    taken = NodeGroup(devices=0, memory_gb=memory, cpus=cpus, nodes=nodes - free)
    capacity = AcceleratorCapacity(
        accelerator_type="stargate_silicon_v2",
        nodes=nodes,
        free_nodes=free,
        gpu_equivalents=nodes * 8,
        free_gpu_equivalents=free * 8,
        allocatable_memory_gb=nodes * memory,
        histogram=[NodeGroup(**group, nodes=free), taken],
        machines=[NodeGroup(**group, nodes=nodes)],
    )
    status = ComputeBlockStatus(observed_time=NOW, accelerators=[capacity])
    return compute_block(name, told=status, **spec)


def placed(nodes: int = 100, **placement: Any) -> GivenJob:
    return job(nodes=nodes, scheduling=Scheduling(placement=Placement(**placement)))


def asked(wanted: GivenJob, *blocks: ComputeBlock, **given: Any) -> Feasibility:
    known = {"classes": [accelerator_class()], "runtimes": [runtime()], **given}
    return check(wanted, blocks=blocks, **known)


def words(found: Feasibility) -> str:
    return "; ".join(each.message for each in found.reasons)


def test_job_that_fits_is_yes() -> None:
    found = asked(job(nodes=100), told())
    assert found
    assert found.answer is Answer.YES
    [block] = found.blocks
    assert (block.block, block.room, block.capacity) == ("cluster", 100, 100)


def test_too_few_free_nodes_is_not_now() -> None:
    found = asked(job(nodes=100), told(free=96))
    assert found.answer is Answer.NOT_NOW
    [reason] = found.reasons
    assert (reason.reason, reason.asked, reason.found) == ("NotEnoughFree", 100, 96)
    assert "room for 96 of 100 workers now" in reason.message


def test_more_nodes_than_exist_is_never() -> None:
    found = asked(job(nodes=101), told())
    assert found.answer is Answer.NEVER
    assert "101 workers, and room for 100 if nothing else ran" in words(found)


def test_more_memory_than_any_node_is_never() -> None:
    found = asked(job(nodes=1), told(memory=240))
    assert found.answer is Answer.NEVER
    assert "memoryGbPerNode: 256G > 240G allocatable on any one node" in words(found)


def test_more_devices_than_any_node_is_never() -> None:
    allocation = ResourceAllocation(nodes=1, gpu_equivalents_per_node=16, memory_gb_per_node=1)
    found = asked(job(resource_allocation=allocation), told())
    assert "gpuEquivalentsPerNode: 16 devices > 8 on any one node" in words(found)


def test_more_cpus_than_any_node_is_never() -> None:
    found = asked(job(nodes=1, template=WorkerTemplate(cpu="65")), told())
    assert "spec.template.cpu: 65 CPUs > 64 allocatable on any one node" in words(found)


def test_two_workers_share_a_large_node() -> None:
    allocation = ResourceAllocation(nodes=200, gpu_equivalents_per_node=4, memory_gb_per_node=256)
    assert asked(job(resource_allocation=allocation), told())


def test_high_latency_message_has_both_numbers() -> None:
    found = asked(placed(max_latency_ms=5), told("far", max_latency_ms=8), told("unknown"))
    assert found.answer is Answer.NEVER
    assert "far: spec.scheduling.placement.maxLatencyMs: 8 ms > 5 ms" in words(found)
    assert "unknown: spec.scheduling.placement.maxLatencyMs: the block states no" in words(found)


def test_answer_has_the_reasons_of_the_best_block() -> None:
    found = asked(
        placed(max_latency_ms=5),
        told("far", max_latency_ms=8),
        told("full", free=0, max_latency_ms=1),
    )
    assert found.answer is Answer.NOT_NOW
    assert [each.reason for each in found.reasons] == ["NotEnoughFree"]
    assert words(found).startswith("full: ")


def test_unknown_block_message_suggests_the_closest() -> None:
    found = asked(placed(compute_block="row-1"), told("row-11"), told("hall"))
    assert found.answer is Answer.NEVER
    assert "no ComputeBlock 'row-1'; did you mean 'row-11'? there are hall, row-11" in words(found)


def test_unknown_accelerator_message_suggests_the_closest() -> None:
    found = asked(job(accelerator_type="stargate_silicon_2"), told())
    assert found.answer is Answer.NEVER
    assert "did you mean 'stargate_silicon_v2'?" in words(found)


def test_gpu_equivalents_that_do_not_divide_are_never() -> None:
    found = asked(job(), told(), classes=[accelerator_class(gpu_equivalents_per_device=3)])
    assert found.reasons[0].reason == "GpuEquivalentsDoNotDivide"


def test_block_without_the_hardware_is_never() -> None:
    other = accelerator_class("other", accelerator_type="other", resource_name="x.io/other")
    found = asked(job(accelerator_type="other"), told(), classes=[other])
    assert "no node has other; the block has stargate_silicon_v2" in words(found)


def test_uncounted_block_is_not_now() -> None:
    found = asked(placed(compute_block="new"), compute_block("new"))
    assert found.answer is Answer.NOT_NOW
    assert "has not been counted yet" in words(found)


def test_gang_over_several_blocks_is_not_now() -> None:
    halves = [told(name, nodes=60, free=60, node_selector={"row": name}) for name in ("a", "b")]
    assert asked(job(nodes=60), *halves)
    found = asked(job(nodes=100), *halves)
    assert found.answer is Answer.NOT_NOW
    assert "no block covers all nodes" in words(found)
    assert asked(job(nodes=100)).answer is Answer.NOT_NOW


def test_topology_key_is_an_assumption() -> None:
    found = asked(placed(topology_key="rack"), told())
    assert found.answer is Answer.YES
    assert "one value of the label rack" in found.assumptions[0]


def test_missing_numbers_bound_nothing() -> None:
    capacity = AcceleratorCapacity(
        accelerator_type="stargate_silicon_v2",
        nodes=9,
        free_nodes=2,
        gpu_equivalents=72,
        free_gpu_equivalents=16,
        allocatable_memory_gb=0,
        histogram=[NodeGroup(devices=8, nodes=2)],
    )
    block = compute_block(told=ComputeBlockStatus(observed_time=NOW, accelerators=[capacity]))
    assert asked(job(nodes=2), block)
    assert asked(job(nodes=3), block).answer is Answer.NOT_NOW


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> Quota:
    return Quota.of(
        {
            "metadata": {"name": "team"},
            "spec": {"hard": hard, **spec},
            "status": {"hard": hard, "used": used or {}},
        }
    )


@pytest.mark.parametrize(
    ("hard", "used", "answer", "said"),
    [
        ({"pods": "3"}, {}, Answer.NEVER, "4 pods > 3"),
        ({"pods": "5"}, {"pods": "2"}, Answer.NOT_NOW, "4 pods > 3 left of 5"),
        ({"pods": "6"}, {"pods": "2"}, Answer.YES, ""),
        ({"requests.memory": "1T"}, {}, Answer.NEVER, "1024000000000 requests.memory > 1"),
        ({"limits.memory": "2T"}, {}, Answer.YES, ""),
        ({"requests.stargate.dev/silicon-v2": "31"}, {}, Answer.NEVER, "32 requests.stargate.dev"),
        ({"requests.nvidia.com/gpu": "0"}, {}, Answer.YES, ""),
        ({"requests.cpu": "9"}, {}, Answer.NOT_NOW, "does not state: set spec.template.cpu"),
        ({"services": "1"}, {"services": "1"}, Answer.NOT_NOW, "1 services > 0 left of 1"),
        ({"count/stargatejobs.stargate.dev": "0"}, {}, Answer.NEVER, "1 count/stargatejobs"),
        ({"persistentvolumeclaims": "0"}, {}, Answer.YES, ""),
    ],
)
def test_quota_limits_the_gang(
    hard: dict[str, str], used: dict[str, str], answer: Answer, said: str
) -> None:
    found = asked(job(nodes=4), told(), quotas=[quota(hard, used)])
    assert found.answer is answer
    assert said in words(found)


def test_quota_of_other_pods_is_ignored() -> None:
    def answer(scope: str) -> Answer:
        return asked(job(nodes=4), told(), quotas=[quota({"pods": "0"}, scopes=[scope])]).answer

    assert answer("BestEffort") is answer("Terminating") is Answer.YES
    assert answer("NotBestEffort") is Answer.NEVER


def test_quota_counts_the_template_s_cpu() -> None:
    wanted = job(nodes=4, template=WorkerTemplate(cpu="500m"))
    found = asked(wanted, told(), quotas=[quota({"cpu": "1"})])
    assert found.reasons[0].asked == float(Decimal(2))
