"""One more round of each contender with the API server's audit log on, to count writes by writer."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from bench import audit
from bench.component import API_SERVER, Component
from bench.contenders import Arena, Contender
from bench.measure import measure
from bench.record import Measurement, Writes
from stargate_lab.cluster.api import ApiError

OWN_AGENTS = ("Python-urllib", "unknown", "stargate-lab")
"""The user agents of the benchmark, which creates the jobs and fails the rank."""

Tell = Callable[[Writes], None]


class AuditLog:
    """The audit log, read from where the last read ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def fresh(self) -> list[bytes]:
        if not self._file.exists():
            return []
        with self._file.open("rb") as log:
            log.seek(self._offset)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._offset += sum(map(len, whole))
        return whole


async def switch_on(arena: Arena) -> AuditLog:
    """Switches the log on by a restart of the API server; every client reconnects."""
    folder = arena.plane.directory
    log = folder / "audit.log"
    flags = audit.flags(folder / "audit-policy.yaml", log)
    await asyncio.to_thread(Component(arena.plane, API_SERVER).restart, *flags)
    await asyncio.to_thread(arena.plane.wait_ready)
    await asyncio.to_thread(_wait_for_scheduler, arena)
    return AuditLog(log)


def _wait_for_scheduler(arena: Arena) -> None:
    """Waits until a pod runs: then the scheduler, kwok and our watch are connected again."""
    path = "/api/v1/namespaces/kube-system/pods"
    pod = {"containers": [{"name": "probe", "image": "probe"}], "terminationGracePeriodSeconds": 1}
    arena.api.create(path, {"metadata": {"name": "bench-probe"}, "spec": pod})
    while arena.api.get(f"{path}/bench-probe")["status"]["phase"] != "Running":
        time.sleep(0.2)
    arena.api.delete(f"{path}/bench-probe")
    while _exists(arena, f"{path}/bench-probe"):
        time.sleep(0.2)


def _exists(arena: Arena, path: str) -> bool:
    try:
        arena.api.get(path)
    except ApiError as error:
        return error.status != 404
    return True


async def count(
    arena: Arena, contender: Contender, log: AuditLog, *, size: int, tell: Tell
) -> None:
    def counted(phase: Measurement) -> None:
        accepted = audit.count(log.fresh(), own=OWN_AGENTS)
        tell(Writes(contender=contender.name, size=size, phase=phase.phase, accepted=accepted))

    await measure(arena, contender, size=size, number=0, tell=counted, ready=log.fresh)
