"""The contenders. Each starts a gang, restarts it after a failure, and deletes it.

A contender returns when it has given its orders; the observer sees when they are done.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from bench.component import ControllerManager
from bench.floor import USER_AGENT as FLOOR_AGENT
from bench.observer import Observer
from bench.timeline import Milestone
from bench.workload import JOBS, NAME, NAMESPACE, PODS, Batch, Recipe, stargate_job
from stargate_lab.cluster.api import Api
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process.operator_process import OperatorProcess
from stargate_operator.constants import WORKER_CONTAINER

BATCH_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
RAISED = ("--concurrent-job-syncs=20", "--kube-api-qps=5000", "--kube-api-burst=10000")
_BACKGROUND = {"propagationPolicy": "Background"}


@dataclass(frozen=True)
class Arena:
    """The control plane, operator and observer that all contenders share."""

    plane: ControlPlane
    controller_manager: ControllerManager
    observer: Observer
    operator: OperatorProcess
    recipe: Recipe

    @property
    def api(self) -> Api:
        return self.plane.api

    async def kill_a_rank(self, attempt: int) -> None:
        """Fails a rank with OOMKilled, which takes effect at once; other exits wait for earlier ones."""
        victim = next(pod for pod in self.observer.pods() if pod.attempt == attempt)
        await asyncio.to_thread(self.api.patch, f"{PODS}/{victim.name}/status", _oom_kill())

    async def gone(self, attempt: int) -> None:
        await self.observer.until(attempt, Milestone.GONE)


class Contender(Protocol):
    name: str

    async def prepare(self, size: int) -> None:
        """All preparations that are not measured."""

    async def start(self) -> None: ...

    async def restart(self) -> None: ...

    async def delete(self) -> None: ...

    async def end(self) -> None: ...

    @property
    def pid(self) -> int:
        """The process id of the contender; 0 if it is part of the control plane."""


class Operator:
    name = "operator"

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._size = 0

    async def prepare(self, size: int) -> None:
        self._size = size
        await asyncio.to_thread(self._arena.controller_manager.restart)
        await asyncio.to_thread(self._start)

    async def start(self) -> None:
        await asyncio.to_thread(self._arena.api.create, JOBS, stargate_job(self._size))

    async def restart(self) -> None:
        await self._arena.kill_a_rank(1)

    async def delete(self) -> None:
        path = f"{JOBS}/{NAME}"
        await asyncio.to_thread(self._arena.api.delete, path, _BACKGROUND)

    async def end(self) -> None:
        await asyncio.to_thread(self._arena.operator.stop)

    @property
    def pid(self) -> int:
        return self._arena.operator.pid

    def _start(self) -> None:
        self._arena.operator.start()
        while not self._arena.operator.metric("stargate_leader"):
            time.sleep(0.1)


class Floor:
    """Creates the same pods with the least work. No operator sees the StargateJob that owns them."""

    name = "floor"

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._size = 0
        self._owner: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def prepare(self, size: int) -> None:
        self._size = size
        await asyncio.to_thread(self._arena.controller_manager.restart)
        self._owner = await asyncio.to_thread(self._arena.api.create, JOBS, stargate_job(size))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.floor",
            str(self._arena.operator.kubeconfig),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self._answer("its start")

    async def start(self) -> None:
        await self._create(1)

    async def restart(self) -> None:
        await self._tell("delete")
        await self._arena.gone(1)
        await self._create(2)

    async def delete(self) -> None:
        await self._tell("delete")

    async def end(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()
        await asyncio.to_thread(self._arena.api.delete, f"{JOBS}/{NAME}", _BACKGROUND)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def _create(self, attempt: int) -> None:
        batch = Batch.of(self._arena.recipe.stamp(self._owner, attempt), self._size)
        file = self._arena.plane.directory / f"floor-{attempt}.json"
        file.write_bytes(msgspec.json.encode(batch))
        await self._tell(f"create {file}")

    async def _tell(self, command: str) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n".encode())
        await self._answer(command)

    async def _answer(self, to: str) -> None:
        assert self._process
        assert self._process.stdout
        if not await self._process.stdout.readline():
            raise RuntimeError(f"the floor ended at {to!r}")


class IndexedJob:
    """A Job that ends with the first failure, and an ideal outer loop that creates the next at once."""

    pid = 0

    def __init__(self, arena: Arena, name: str, flags: tuple[str, ...] = ()) -> None:
        self.name = name
        self._arena = arena
        self._flags = flags
        self._size = 0

    async def prepare(self, size: int) -> None:
        self._size = size
        await asyncio.to_thread(self._arena.controller_manager.restart, *self._flags)

    async def start(self) -> None:
        await self._create(1)

    async def restart(self) -> None:
        await self._arena.kill_a_rank(1)
        await self._arena.gone(1)
        await self._delete(1)
        await self._create(2)

    async def delete(self) -> None:
        await self._delete(2)

    async def end(self) -> None:
        pass

    async def _create(self, attempt: int) -> None:
        job = self._arena.recipe.indexed_job(self._size, attempt)
        await asyncio.to_thread(self._arena.api.create, BATCH_JOBS, job)

    async def _delete(self, attempt: int) -> None:
        path = f"{BATCH_JOBS}/{NAME}-{attempt}"
        await asyncio.to_thread(self._arena.api.delete, path, _BACKGROUND)


FLOOR, OPERATOR, JOB, JOB_RAISED = "floor", "operator", "job", "job-raised"
NAMES = (FLOOR, OPERATOR, JOB_RAISED, JOB)
AGENTS = {FLOOR: FLOOR_AGENT.partition("/")[0], OPERATOR: "stargate-operator"}


def contender(name: str, arena: Arena) -> Contender:
    match name:
        case "floor":
            return Floor(arena)
        case "operator":
            return Operator(arena)
        case "job":
            return IndexedJob(arena, JOB)
        case "job-raised":
            return IndexedJob(arena, JOB_RAISED, RAISED)
    raise ValueError(f"no contender {name!r}; there are {', '.join(NAMES)}")


def _oom_kill() -> dict[str, Any]:
    ended = {
        "exitCode": 137,
        "reason": "OOMKilled",
        "finishedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    container = {
        "name": WORKER_CONTAINER,
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    return {"status": {"phase": "Failed", "containerStatuses": [container]}}
