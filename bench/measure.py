"""Measures one contender through the life of one gang: start, restart after a failure, deletion."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from bench.contenders import OPERATOR, Arena, Contender
from bench.record import DELETION, RESTART, START, Measurement
from bench.timeline import Milestone
from bench.usage import Usage
from bench.workload import JOBS, NAME
from stargate_lab.cluster.control_plane import COMPONENTS

SETTLE_SECONDS = 2.0
"""Pause after each phase: work that ends later, like the last status write, counts too."""

Tell = Callable[[Measurement], None]


@dataclass(frozen=True)
class _Phase:
    """One order to a contender, and the condition that ends it."""

    name: str
    order: Callable[[], Awaitable[None]]
    over: Callable[[], Awaitable[float]]


async def measure(
    arena: Arena,
    contender: Contender,
    *,
    size: int,
    number: int,
    tell: Tell,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Calls `ready` before the first phase, and `tell` after each phase."""
    arena.observer.expect(size)
    await contender.prepare(size)
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        ready()
        for phase in _life(arena, contender):
            found = await _measure(arena, contender, phase)
            tell(
                Measurement(
                    contender=contender.name, size=size, round=number, phase=phase.name, **found
                )
            )
    finally:
        await contender.end()


def _life(arena: Arena, contender: Contender) -> tuple[_Phase, ...]:
    observer = arena.observer
    return (
        _Phase(START, contender.start, lambda: observer.until(1, Milestone.RUNNING)),
        _Phase(RESTART, contender.restart, lambda: observer.until(2, Milestone.RUNNING)),
        _Phase(DELETION, contender.delete, observer.until_empty),
    )


async def _measure(arena: Arena, contender: Contender, phase: _Phase) -> dict[str, Any]:
    before = await _read(arena, contender)
    await _next_second()
    idle, ordered = _own(contender), time.monotonic()
    await phase.order()
    ended = await phase.over()
    await asyncio.sleep(SETTLE_SECONDS)
    used = _own(contender)
    return {
        "seconds": ended - ordered,
        "moments": _moments(arena, phase.name, ordered),
        **_spent(before, await _read(arena, contender), (idle, used)),
    }


async def _next_second() -> None:
    """Waits for a whole second: grace periods end on one, and all phases must start equally."""
    await asyncio.sleep(1.0 - time.time() % 1.0)


@dataclass(frozen=True)
class _Reading:
    components: dict[str, float]
    throttled: float
    status_writes: float
    status_bytes: int


async def _read(arena: Arena, contender: Contender) -> _Reading:
    """Reads CPU times; the operator's is read before its metrics, which cost it CPU time."""
    components = {name: arena.plane.cpu_seconds(name) for name in COMPONENTS}
    throttled = await asyncio.to_thread(_throttled, arena)
    is_operator = contender.name == OPERATOR
    return _Reading(
        components=components,
        throttled=throttled,
        status_writes=await asyncio.to_thread(_status_writes, arena) if is_operator else 0,
        status_bytes=await asyncio.to_thread(_status_bytes, arena) if is_operator else 0,
    )


def _own(contender: Contender) -> Usage:
    return Usage.of(contender.pid) if contender.pid else Usage()


def _spent(before: _Reading, after: _Reading, own: tuple[Usage, Usage]) -> dict[str, Any]:
    components = {
        name: seconds - before.components[name] for name, seconds in after.components.items()
    }
    return {
        "cpu": {"self": own[1].cpu_seconds - own[0].cpu_seconds, **components},
        "peak_rss_bytes": own[1].peak_rss_bytes,
        "throttled": int(after.throttled - before.throttled),
        "status_writes": int(after.status_writes - before.status_writes),
        "status_bytes": after.status_bytes or before.status_bytes,
    }


def _moments(arena: Arena, phase: str, ordered: float) -> dict[str, float]:
    """The milestones of the new gang and of the old one."""
    observer, found = arena.observer, dict[Milestone, float]()
    if phase != START:
        found |= observer.timeline(1 if phase == RESTART else 2).moments
    if phase != DELETION:
        coming = observer.timeline(1 if phase == START else 2).moments
        found |= {name: at for name, at in coming.items() if name is not Milestone.FIRST_DELETE}
    return {str(name): at - ordered for name, at in found.items() if at >= ordered}


def _throttled(arena: Arena) -> float:
    """Throttled requests of all clients, as counted by the API server."""
    return sample_sum(arena.api.text("/metrics"), "apiserver_request_total", code="429")


def _status_writes(arena: Arena) -> float:
    return arena.operator.metric("stargate_status_writes_total", outcome="written")


def _status_bytes(arena: Arena) -> int:
    found = arena.api.get(JOBS)["items"]
    statuses = [job.get("status", {}) for job in found if job["metadata"]["name"] == NAME]
    return max((len(msgspec.json.encode(status)) for status in statuses), default=0)


def sample_sum(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of one metric. Other lines are not parsed: there are megabytes of them."""
    lines = "\n".join(line for line in text.splitlines() if line.startswith(f"{name}{{"))
    families = text_string_to_metric_families(f"# TYPE {name} untyped\n{lines}\n")
    samples = (sample for family in families for sample in family.samples)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
