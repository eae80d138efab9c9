"""The project's performance targets, beside the measurements."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.contenders import AGENTS, FLOOR, OPERATOR
from bench.record import DELETION, RESTART, START, Measurement, Writes

TIMES = {START: 1.15, RESTART: 1.05, DELETION: 1.2}
"""The largest ratio to the floor's time. The floor's restart is its deletion plus its start."""
CPU_MS_PER_POD = 0.3
PEAK_MIB = 120.0
WRITES_PER_POD = 1.0
GROWTH = 1.2
"""The largest ratio of the cost of a pod in the largest gang to one in a gang of middle size."""
GROWTH_BETWEEN = (500, 5000)


@dataclass(frozen=True)
class Target:
    what: str
    size: int
    value: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit


def targets(measured: list[Measurement], counted: list[Writes]) -> list[Target]:
    return [
        *(target for size in sizes(measured) for target in _of_size(measured, size)),
        *_growth(measured),
        *_writes(counted),
    ]


def sizes(measured: list[Measurement]) -> list[int]:
    return sorted({m.size for m in measured})


def select(measured: list[Measurement], contender: str, size: int, phase: str) -> list[Measurement]:
    wanted = (contender, size, phase)
    return [m for m in measured if (m.contender, m.size, m.phase) == wanted]


def ratio(measured: list[Measurement], size: int, phase: str, *, of: str, to: str) -> float | None:
    """The ratio of two medians; None if one of them was not measured."""
    above = select(measured, of, size, phase)
    below = select(measured, to, size, phase)
    if not above or not below:
        return None
    return median(m.seconds for m in above) / median(m.seconds for m in below)


def cpu_ms_per_pod(measured: list[Measurement], contender: str, size: int, phase: str) -> float:
    found = select(measured, contender, size, phase)
    return median(m.cpu_ms_per_pod for m in found) if found else 0.0


def _of_size(measured: list[Measurement], size: int) -> Iterator[Target]:
    for phase, limit in TIMES.items():
        times = ratio(measured, size, phase, of=OPERATOR, to=FLOOR)
        if times is not None:
            yield Target(f"{phase}, × the floor", size, times, limit)
    if select(measured, OPERATOR, size, START):
        cpu = cpu_ms_per_pod(measured, OPERATOR, size, START)
        yield Target("CPU per pod at start", size, cpu, CPU_MS_PER_POD, "ms")
        yield Target("peak memory", size, peak_mib(measured, size), PEAK_MIB, "MiB")


def peak_mib(measured: list[Measurement], size: int) -> float:
    found = [m.peak_rss_bytes for m in measured if (m.contender, m.size) == (OPERATOR, size)]
    return max(found, default=0) / 2**20


def _growth(measured: list[Measurement]) -> Iterator[Target]:
    middling, largest = GROWTH_BETWEEN
    for phase in (START, RESTART):
        less = cpu_ms_per_pod(measured, OPERATOR, middling, phase)
        more = cpu_ms_per_pod(measured, OPERATOR, largest, phase)
        if less and more:
            what = f"CPU per pod, {phase}, × that at {middling}"
            yield Target(what, largest, more / less, GROWTH)


def _writes(counted: list[Writes]) -> Iterator[Target]:
    for writes in counted:
        if writes.contender == OPERATOR and writes.phase == START:
            pods = sum(count for key, count in writes.accepted.items() if _is_own_pod_write(key))
            yield Target(
                "writes to a pod at start", writes.size, pods / writes.size, WRITES_PER_POD
            )


def _is_own_pod_write(key: str) -> bool:
    agent, _, resource = key.split(" ")
    return agent == AGENTS[OPERATOR] and resource.partition("/")[0] == "pods"
