"""Workers that report: called step by step by a test, or run by a `Trainer` that trains each gang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from stargate_operator.constants import PEER_LOST_EXIT_CODE
from stargate_operator.kube.errors import ApiError
from stargate_operator.reports.errors import ReportRefused
from stargate_operator.reports.handler import Incoming
from stargate_operator.reports.protocol import encode
from stargate_types.position import Position
from tests.kit.api_server.resources import PODS
from tests.kit.recorder.history import Pod
from tests.kit.virtual_time import owned_by, running_loop

if TYPE_CHECKING:
    from tests.kit.cluster.cluster import Cluster

Json = dict[str, Any]

_TIMEOUT = 20.0
_RETRY = 1.0
_PEER_LOST_SECONDS = 10.0

TRAIN_STEPS, SAVE_EVERY_STEPS = "TRAIN_STEPS", "SAVE_EVERY_STEPS"
"""Variables of a job whose trainer counts steps: it trains so many in one epoch, and saves after each
so many."""


@dataclass(frozen=True)
class Answer:
    """`status` is 0 if no answer came."""

    status: int
    body: Json

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


class Worker:
    """A rank. The environment of its pod says where to save and which checkpoint to resume from."""

    def __init__(self, cluster: Cluster, pod: Pod) -> None:
        self.pod = pod
        self._cluster = cluster
        self._token = f"token-of-{pod.uid}"
        cluster.server.tokens[self._token] = pod.uid

    @property
    def resumes_from(self) -> int | None:
        env = self.pod.env
        return int(env["STARGATE_RESUME_EPOCH"]) if env["STARGATE_RESUME_URI"] else None

    async def report(self, **body: Any) -> Answer:
        replica = self._cluster.reports_reach
        if replica is None:
            return Answer(0, {"message": "the report Service has no endpoint"})
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await replica.take(self._incoming(body))
        except ReportRefused as refusal:
            return Answer(int(refusal.code), {"message": refusal.message, "reason": refusal.reason})
        except (OSError, ApiError) as error:
            return Answer(0, {"message": str(error)})
        return Answer(200, msgspec.json.decode(encode(answer)))

    async def saves(
        self, epoch: int, state: str = "Complete", uri: str = "", *, step: int | None = None
    ) -> Answer:
        checkpoint = self.checkpoint(epoch, state, uri, step=step)
        told = {} if step is None else {"step": step}
        return await self.report(epoch=epoch, checkpoint=checkpoint, **told)

    async def insists(
        self, epoch: int, state: str = "Complete", *, step: int | None = None
    ) -> Answer:
        """Report the checkpoint until it is acknowledged or refused for good."""
        while True:
            answer = await self.saves(epoch, state, step=step)
            if answer.status not in (0, 503):
                return answer
            await asyncio.sleep(_RETRY)

    async def goes_on_reporting(self, **body: Any) -> None:
        """Report at the interval that the operator asks for."""
        while True:
            answer = await self.report(**body)
            await asyncio.sleep(answer.body.get("nextReportSeconds", _RETRY))

    def checkpoint(
        self, epoch: int, state: str = "Complete", uri: str = "", *, step: int | None = None
    ) -> Json:
        told = {} if step is None else {"step": step}
        name = "-".join(["epoch", str(epoch), *(f"step-{n}" for n in told.values())])
        place = uri or f"{self.pod.env['STARGATE_CHECKPOINT_URI']}/{name}"
        return {"epoch": epoch, "uri": place, "state": state, "sizeBytes": 1 << 30, **told}

    def _incoming(self, body: Json) -> Incoming:
        raw = msgspec.json.encode(body)

        async def read() -> bytes:
            return raw

        return Incoming(
            namespace=self.pod.raw["metadata"]["namespace"],
            name=self.pod.env["STARGATE_JOB"],
            authorization=f"Bearer {self._token}",
            body=read,
        )


@asynccontextmanager
async def reporting(*workers: Worker, **body: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.goes_on_reporting(**body)) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Training:
    """How a gang trains. An epoch takes so long, or a step where the job's trainer counts steps.
    `after_epoch` is called after each epoch, for example to break a rank."""

    epoch_seconds: float = 10.0
    save_seconds: float = 0.0
    """How long a checkpoint is Writing before it is Complete. At 0 that is not told."""
    after_epoch: Callable[[Worker, int], None] | None = None


class Course:
    """What a gang has to train, and when it saves: epochs, or the steps of one epoch."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self.total_steps = int(env.get(TRAIN_STEPS, 0))
        self._epochs = int(env["STARGATE_EPOCHS"])

    def positions(self) -> Iterator[Position]:
        """Those that are left."""
        if not self.total_steps:
            epoch = int(self._env["STARGATE_RESUME_EPOCH"])
            yield from map(Position, range(epoch + 1, self._epochs + 1))
            return
        done = int(self._env["STARGATE_RESUME_STEP"] or 0)
        for step in range(done + 1, self.total_steps + 1):
            yield Position(int(step == self.total_steps), step)

    def saves_at(self, position: Position) -> bool:
        if position.step is None:
            every = int(self._env["STARGATE_CHECKPOINT_INTERVAL_EPOCHS"])
            return position.epoch % every == 0 or position.epoch == self._epochs
        every = int(self._env[SAVE_EVERY_STEPS])
        return position.step % every == 0 or position.step == self.total_steps


class Trainer:
    """Trains each gang of the cluster to its end, and saves at the job's interval. It deletes
    the checkpoints that the operator says, and notes each promise that an operator breaks."""

    def __init__(self, cluster: Cluster, training: Training) -> None:
        self._cluster = cluster
        self._training = training
        self._begun: set[frozenset[str]] = set()
        self.acknowledged: list[tuple[str, Position]] = []
        """The job's UID and the position of each acknowledged checkpoint."""
        self.broken_promises: list[str] = []
        self._heard: dict[tuple[str, int], list[float]] = {}
        self.hung: set[tuple[str, int]] = set()
        """The UID and the attempt of each gang that stands still for ever and says nothing."""
        self._deleted: set[tuple[str, str]] = set()
        """By job: the simulated UIDs of two jobs of one name give them one folder."""
        cluster.server.store.listen(lambda commit: self._look(commit.key.resource is PODS))

    def heard_until(self, uid: str, attempt: int, moment: float) -> float | None:
        """When an operator last took a report of this attempt, before `moment`."""
        return max((at for at in self._heard.get((uid, attempt), ()) if at <= moment), default=None)

    def _look(self, pods: bool) -> None:
        if pods:
            for job in self._cluster.recorder.state.jobs:
                self._begin(job.uid, job.attempt, job.world_size)

    def _begin(self, uid: str, attempt: int, size: int) -> None:
        pods = self._running(uid, attempt)
        gang = frozenset(pod.uid for pod in pods)
        if gang in self._begun or len(pods) != size:
            return
        self._begun.add(gang)
        running_loop().create_task(
            self._train(uid, pods),
            name=f"training of {uid}, attempt {attempt}",
            context=owned_by(self),
        )

    def _running(self, uid: str, attempt: int) -> list[Pod]:
        found = self._cluster.recorder.state.pods_of(uid)
        running = [pod for pod in found if pod.attempt == attempt and pod.phase == "Running"]
        return sorted(running, key=lambda pod: pod.rank)

    async def _train(self, uid: str, pods: list[Pod]) -> None:
        """Synchronous training: the loss of one rank stops all ranks."""
        workers = [Worker(self._cluster, pod) for pod in pods]
        course = Course(pods[0].env)
        restored = pods[0].env["STARGATE_RESUME_URI"]
        if (uid, restored) in self._deleted:
            self.broken_promises.append(f"{pods[0].name} resumes from {restored}, which is deleted")
        for position in course.positions():
            await asyncio.sleep(self._training.epoch_seconds)
            if (uid, pods[0].attempt) in self.hung:
                return None
            if len(self._left_of(pods)) != len(pods) or not await self._told(
                uid, workers, course, position
            ):
                return await self._give_up(pods)
            if self._training.after_epoch is not None:
                self._training.after_epoch(workers[0], position.epoch)
        for pod in self._left_of(pods):
            self._cluster.kubelets.exit(pod.raw, 0)
        return None

    async def _told(
        self, uid: str, workers: list[Worker], course: Course, position: Position
    ) -> bool:
        """Let each rank report. Returns False if a checkpoint was refused for good."""
        epoch, step = position.epoch, position.epoch if position.step is None else position.step
        for worker in workers[1:]:
            self._hear(worker, await worker.report(step=step))
        if not course.saves_at(position):
            total = {"totalSteps": course.total_steps} if course.total_steps else {}
            self._hear(workers[0], await workers[0].report(epoch=epoch, step=step, **total))
            return True
        if self._training.save_seconds:
            writing = await workers[0].saves(epoch, "Writing", step=position.step)
            self._hear(workers[0], writing)
            await asyncio.sleep(self._training.save_seconds)
            if not self._left_of([workers[0].pod]):
                return False
        answer = await workers[0].insists(epoch, step=position.step)
        self._hear(workers[0], answer)
        if answer.status != 200:
            return False
        uri = workers[0].checkpoint(epoch, step=position.step)["uri"]
        if not self._was_written(uid, uri):
            self.broken_promises.append(f"{uri} was acknowledged and is in no status")
        self.acknowledged.append((uid, position))
        return True

    def _hear(self, worker: Worker, answer: Answer) -> None:
        if answer.status != 200:
            return
        uid, said = worker.pod.owner, answer.body.get("delete") or ()
        heard = self._heard.setdefault((uid, worker.pod.attempt), [])
        heard.append(self._cluster.server.seconds)
        job = self._cluster.recorder.state.job(uid)
        for saved in job.checkpoints if job else ():
            if saved["uri"] in said and saved["state"] == "Complete":
                self.broken_promises.append(
                    f"{saved['uri']} is to be deleted, and the status has it"
                )
        self._deleted.update((uid, uri) for uri in said)

    def _was_written(self, uid: str, uri: str) -> bool:
        return any(
            saved["uri"] == uri
            for write in reversed(self._cluster.recorder.writes)
            if write.job and write.uid == uid
            for saved in write.job.checkpoints
        )

    async def _give_up(self, pods: list[Pod]) -> None:
        """The other ranks notice after some seconds that a peer is lost, and exit."""
        await asyncio.sleep(_PEER_LOST_SECONDS)
        for pod in self._left_of(pods):
            self._cluster.kubelets.exit(pod.raw, PEER_LOST_EXIT_CODE)

    def _left_of(self, pods: list[Pod]) -> list[Pod]:
        """The pods that still run."""
        found = (self._cluster.recorder.state.pod(pod.uid) for pod in pods)
        return [pod for pod in found if pod is not None and pod.phase == "Running"]
