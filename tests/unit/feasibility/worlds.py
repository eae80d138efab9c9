"""Generated clusters and jobs as plain numbers, from which a brute-force oracle and the code start."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from stargate_operator.model.node import Node
from stargate_operator.placement.fleet import Fleet
from stargate_types import AcceleratorClass, ComputeBlock, ComputeBlockStatus, StargateRuntime
from stargate_types.job import ResourceAllocation
from stargate_types.job_policies import Placement, Scheduling
from stargate_types.podparts import Toleration
from tests.kit.builders import NOW, GivenJob, accelerator_class, compute_block, job, runtime
from tests.unit.placement.machines import GB, machine

TYPES = ("alpha", "beta")
ROWS = ("a", "b")
LATENCY = {"cluster": None, "a": 1.0, "b": 8.0}


def resource(kind: str) -> str:
    return f"example.com/{kind}"


@dataclass(frozen=True)
class Machine:
    kind: str
    row: str
    devices: int
    memory: int
    milli: int
    pods: int
    ready: bool
    cordoned: bool
    taint: str

    @property
    def usable(self) -> bool:
        return self.ready and not self.cordoned and self.taint != "foreign"

    def as_node(self, name: str) -> Node:
        taint = {"key": self.taint, "effect": "NoSchedule"}
        return machine(
            name,
            resource=resource(self.kind),
            devices=self.devices,
            memory=f"{self.memory}G",
            cpu=f"{self.milli}m",
            pods=str(self.pods),
            ready="True" if self.ready else "Unknown",
            cordoned=self.cordoned,
            taints=(taint,) if self.taint else (),
            labels={"row": self.row},
        )


@dataclass(frozen=True)
class Tenant:
    """Somebody's pod."""

    machine: int
    devices: int
    memory: int
    milli: int


@dataclass(frozen=True)
class Wanted:
    kind: str
    ranks: int
    equivalents: int
    memory: int
    milli: int
    block: str | None
    latency: float | None

    @property
    def job(self) -> GivenJob:
        placement = None
        if self.block or self.latency is not None:
            placement = Placement(compute_block=self.block, max_latency_ms=self.latency)
        return job(
            accelerator_type=self.kind,
            resource_allocation=ResourceAllocation(
                nodes=self.ranks,
                gpu_equivalents_per_node=self.equivalents,
                memory_gb_per_node=self.memory,
            ),
            scheduling=Scheduling(placement=placement),
        )

    @property
    def runtime(self) -> StargateRuntime:
        return runtime(cpu=f"{self.milli}m") if self.milli else runtime()


@dataclass(frozen=True)
class World:
    machines: tuple[Machine, ...]
    tenants: tuple[Tenant, ...]
    wanted: Wanted
    per_device: int

    @property
    def fleet(self) -> Fleet:
        found = Fleet(lambda: 0.0)
        for index, each in enumerate(self.machines):
            found.node_changed(None, each.as_node(f"n{index}"))
        for tenant in self.tenants:
            holds = self.machines[tenant.machine]
            held = {
                resource(holds.kind): tenant.devices,
                "memory": tenant.memory * GB,
                "cpu": tenant.milli,
            }
            found.held(None, (f"n{tenant.machine}", held))
        return found

    def classified(self) -> list[AcceleratorClass]:
        tolerated = [Toleration(key="known", operator="Exists")]
        found = [
            accelerator_class(
                kind,
                accelerator_type=kind,
                resource_name=resource(kind),
                gpu_equivalents_per_device=self.per_device,
                tolerations=tolerated,
            )
            for kind in TYPES
        ]
        return [
            each.model_copy(update={"metadata": each.metadata.model_copy(update={"uid": kind})})
            for each, kind in zip(found, TYPES, strict=True)
        ]

    def blocks(self) -> list[ComputeBlock]:
        """As the operator writes them and a researcher reads them: through JSON."""
        fleet = self.fleet
        return [self._told(fleet, name) for name in LATENCY]

    def _told(self, fleet: Fleet, name: str) -> ComputeBlock:
        spec: dict[str, Any] = {"max_latency_ms": LATENCY[name]}
        if name != "cluster":
            spec["node_selector"] = {"row": name}
        block = compute_block(name, **spec)
        counts = [fleet.count(block, each) for each in self.classified()]
        told = [each.capacity() for each in counts if each.machines]
        status = ComputeBlockStatus(observed_time=NOW, accelerators=told)
        as_read = block.model_copy(update={"status": status})
        return ComputeBlock.model_validate_json(as_read.model_dump_json(by_alias=True))


def _machines() -> st.SearchStrategy[Machine]:
    return st.builds(
        Machine,
        kind=st.sampled_from(("alpha", "alpha", "alpha", "beta")),
        row=st.sampled_from(ROWS),
        devices=st.sampled_from((0, 2, 4, 8, 8, 8)),
        memory=st.sampled_from((200, 256, 511, 512)),
        milli=st.sampled_from((3900, 8000, 16000)),
        pods=st.sampled_from((2, 110, 110)),
        ready=st.sampled_from((True, True, True, True, False)),
        cordoned=st.sampled_from((False, False, False, False, True)),
        taint=st.sampled_from(("", "", "", "known", "foreign")),
    )


def _tenants(machines: int) -> st.SearchStrategy[Tenant]:
    return st.builds(
        Tenant,
        machine=st.integers(0, machines - 1),
        devices=st.sampled_from((0, 0, 1, 2, 8)),
        memory=st.sampled_from((0, 1, 100, 256)),
        milli=st.sampled_from((100, 500, 2000, 4000)),
    )


WANTED = st.builds(
    Wanted,
    kind=st.sampled_from(("alpha", "alpha", "alpha", "alpha", "beta")),
    ranks=st.sampled_from((1, 2, 3, 4, 6, 12)),
    equivalents=st.sampled_from((1, 2, 4, 8, 16)),
    memory=st.sampled_from((1, 64, 100, 128, 256, 512)),
    milli=st.sampled_from((0, 500, 1900, 4000)),
    block=st.sampled_from((None, None, "a", "b", "cluster")),
    latency=st.sampled_from((None, None, 1.0, 5.0, 8.0)),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    machines = draw(st.lists(_machines(), min_size=3, max_size=12))
    tenants = draw(st.lists(_tenants(len(machines)), max_size=10))
    per_device = draw(st.sampled_from((1, 1, 2)))
    return World(tuple(machines), tuple(tenants), draw(WANTED), per_device)
