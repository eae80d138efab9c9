"""The answer of `check` agrees with what the operator and the real scheduler do.

`check` sees only objects that a researcher may read. Nothing else changes the fleet meanwhile.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

import pytest

from stargate_feasibility import Answer, Feasibility, Quota, check
from stargate_types import AcceleratorClass, StargateJob, StargateRuntime
from tests.kit.blocks import Blocks
from tests.kit.racks import CLASSES, Racks
from tests.kit.recorder.history import Json
from tests.kit.story import JobStory, Story, manifest
from tests.kit.tenants import foreign

RUNTIMES = "/apis/stargate.dev/v1alpha1/stargateruntimes"
CASES = range(12)
REASONS = {
    Answer.NOT_NOW: {"WaitingForNodes", "NoBlockFits", "PodsRefused"},
    Answer.NEVER: {"NeverFits", "NoBlockFits", "PodsRefused", "GpuEquivalentsDoNotDivide"},
}


@dataclass
class Case:
    """A fleet of two rows with tenants, and a job. The seed decides every number."""

    story: Story
    racks: Racks
    blocks: Blocks
    dice: random.Random

    def build(self) -> Json:
        rack, rows = self.racks.build(0), {}
        for row in ("a", "b"):
            memory = self.dice.choice(["200G", "512G", "512G"])
            name = f"{rack}-{row}"
            rows[name] = self.racks.add(rack, self.dice.randint(1, 3), memory=memory, row=name)
            latency = self.dice.choice([0.5, 8])
            self.blocks.draw(name, {"row": name}, maxLatencyMs=latency)
        self._settle_tenants(rack, [node for nodes in rows.values() for node in nodes])
        for name, nodes in rows.items():
            self._wait_counted(name, rack, len(nodes))
        if self.dice.random() < 0.25:
            self._limit()
        return self._job(rack, list(rows))

    def _settle_tenants(self, rack: str, nodes: list[str]) -> None:
        self._free: dict[str, int] = dict.fromkeys(nodes, 8)
        for i, node in enumerate(self.dice.sample(nodes, self.dice.randint(0, 2))):
            devices = self.dice.choice([1, 4, 8])
            foreign(self.story, f"tenant-{i}", node, rack, devices=devices, memory="100G")
            self._free[node] -= devices
        if self.dice.random() < 0.3:
            self._cordoned = self.dice.choice(nodes)
            self.racks.cordon(self._cordoned)
            self._free.pop(self._cordoned)

    def _wait_counted(self, block: str, rack: str, nodes: int) -> None:
        left = {node: free for node, free in self._free.items() if self._is_in(node, block)}
        gpu = sum(left.values())
        if left:
            self.blocks.wait(block, rack, nodes=len(left), free_gpu_equivalents=gpu)
        else:
            self.blocks.wait(block, rack, unavailable_nodes=nodes)

    def _is_in(self, node: str, block: str) -> bool:
        found = self.story.api.get(f"/api/v1/nodes/{node}")
        return bool(found["metadata"]["labels"]["row"] == block)

    def _limit(self) -> None:
        path = f"{self.story.core}/resourcequotas"
        pods = str(self.dice.choice([1, 5, 30]))
        self.story.api.create(
            path, {"metadata": {"name": "team"}, "spec": {"hard": {"pods": pods}}}
        )
        while not self.story.api.get(f"{path}/team").get("status", {}).get("hard"):
            time.sleep(0.05)

    def _job(self, rack: str, rows: list[str]) -> Json:
        ranks = self.dice.randint(1, 5)
        allocation = {
            "nodes": ranks,
            "gpuEquivalentsPerNode": self.dice.choice([4, 8, 8]),
            "memoryGbPerNode": self.dice.choice([100, 256]),
        }
        wanted: dict[str, Any] = {"acceleratorType": rack, "resourceAllocation": allocation}
        placement = self.dice.choice([None, {"computeBlock": rows[0]}, {"maxLatencyMs": 1}])
        if placement:
            wanted["scheduling"] = {"placement": placement}
        return manifest(nodes=ranks, **wanted)

    def ask(self, wanted: Json) -> Feasibility:
        api = self.story.api
        wanted = {**wanted, "metadata": {**wanted["metadata"], "namespace": self.story.namespace}}
        return check(
            StargateJob.model_validate(wanted),
            blocks=self.blocks.all(),
            classes=[AcceleratorClass.model_validate(each) for each in api.get(CLASSES)["items"]],
            runtimes=[StargateRuntime.model_validate(each) for each in api.get(RUNTIMES)["items"]],
            quotas=[
                Quota.of(quota) for quota in api.get(f"{self.story.core}/resourcequotas")["items"]
            ],
        )


@pytest.mark.parametrize("seed", CASES)
def test_check_predicts_whether_the_job_runs(
    story: Story, racks: Racks, blocks: Blocks, seed: int
) -> None:
    case = Case(story, racks, blocks, random.Random(seed))
    wanted = case.build()
    answer = case.ask(wanted)
    created = story.api.create(story.jobs, wanted)
    job = JobStory(story, "job", created["metadata"]["uid"])

    if answer:
        job.wait_phase("Running")
        return
    expected = REASONS[answer.answer]
    job.wait(lambda now: expected & reasons(now.status), f"{answer.answer}: {answer.reasons}")
    time.sleep(2)
    assert job.now.phase != "Running"


def reasons(status: Json) -> set[str]:
    conditions = status.get("conditions") or []
    return {each["reason"] for each in conditions if each["status"] == "False"}
