"""A simulated trainer in every rank: it starts when its whole gang runs, reports, saves, fails, ends.

The training is arithmetic. Everything that the operator sees is real: the status of the pods, tokens
issued by the API server, reports over TLS. It trains the gangs of every job, each attempt once. Like a
real collective, a gang stops making progress as soon as one of its ranks is gone.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from stargate_lab.workload.kubelet import Kubelet
from stargate_lab.workload.reporting import Dismissed, ReportClient, Server
from stargate_lab.workload.training import (
    STEPS_PER_EPOCH,
    Behaviour,
    Exit,
    Fault,
    Json,
    WorkerEnvironment,
    progress,
)
from stargate_operator.informers.informer import PODS, Informer
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import load_endpoint
from stargate_operator.kube.errors import ApiError
from stargate_operator.model.pod import RUNNING, Pod

WRITES_AT_ONCE = 32
_CRASH = Exit(1, "Error")
_ECHO_SECONDS = 0.6

Say = Callable[[Json], None]


class Tell(Protocol):
    def __call__(self, event: str, /, **details: int | str) -> None: ...


class Trainer:
    """Trains every running gang, in one namespace or in all, until it is cancelled."""

    def __init__(
        self,
        client: Client,
        behaviour: Behaviour,
        *,
        say: Say = lambda _: None,
        namespace: str | None = None,
    ) -> None:
        self._kubelet = Kubelet(client)
        self._behaviour = behaviour
        self._say = say
        self._gangs: dict[tuple[str, int], Gang] = {}
        self._pods = Informer(client, PodStore(self._notice), path=PODS, namespace=namespace)

    async def run(self) -> None:
        try:
            await self._pods.run()
        finally:
            for gang in self._gangs.values():
                gang.stand_still()

    def _notice(self, job_uid: str, before: Pod | None, after: Pod | None) -> None:
        pod = after or before
        assert pod is not None
        key = job_uid, pod.attempt
        gang = self._gangs.get(key)
        if gang is None:
            tell = self._teller(pod)
            gang = self._gangs[key] = Gang(self._kubelet, self._behaviour, tell)
        gang.notice(pod, runs=after is not None and pod.phase == RUNNING and not pod.deleting)
        if gang.is_over:
            del self._gangs[key]

    def _teller(self, pod: Pod) -> Tell:
        def tell(event: str, /, **details: int | str) -> None:
            who = {"job": pod.job_name, "attempt": pod.attempt}
            self._say({"time": round(time.time(), 3), "event": event, **who, **details})

        return tell


class Gang:
    """The ranks of one attempt, from the first that runs to the last that exits."""

    def __init__(self, kubelet: Kubelet, behaviour: Behaviour, tell: Tell) -> None:
        self._kubelet = kubelet
        self._behaviour = behaviour
        self._tell = tell
        self._ranks: dict[int, Pod] = {}
        self._environment: WorkerEnvironment | None = None
        self._task: asyncio.Task[None] | None = None
        self._training = False
        self._epoch = 0

    def notice(self, pod: Pod, *, runs: bool) -> None:
        if runs:
            self._ranks[pod.rank] = pod
        elif self._ranks.pop(pod.rank, None) is not None and self._training:
            self.stand_still()
        if self._task is None and (
            0 in self._ranks if self._environment is None else self._is_whole
        ):
            self._task = asyncio.create_task(self._live())

    def stand_still(self) -> None:
        """Stops training without an exit, as a collective does that has lost a rank."""
        self._training = False
        if self._task is not None:
            self._task.cancel()

    @property
    def is_over(self) -> bool:
        return not self._ranks and self._task is not None and self._task.done()

    @property
    def _is_whole(self) -> bool:
        return self._environment is not None and len(self._ranks) == self._environment.world_size

    async def _live(self) -> None:
        with self._telling():
            if self._environment is None:
                self._environment = WorkerEnvironment.of(
                    await self._kubelet.manifest(self._ranks[0])
                )
            if self._is_whole:
                await self._train(self._environment)
                return
        self._task = None

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Reports an error as an event: it ends the attempt, not the trainer."""
        try:
            yield
        except* Dismissed as dismissed:
            self._tell("dismissed", message=str(dismissed.exceptions[0]))
        except* Exception as failed:
            self._tell("trouble", message=repr(failed.exceptions[0]))

    async def _train(self, environment: WorkerEnvironment) -> None:
        self._training, self._epoch = True, environment.resume_epoch
        self._tell("training", ranks=environment.world_size, from_epoch=environment.resume_epoch)
        server = Server(environment.report_url, environment.report_ca)
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(self._follow(server, r)) for r in self._followers(environment)
            ]
            finished = await self._lead(self._reports(server, 0), environment)
            for other in others:
                other.cancel()
        self._training = False
        if finished:
            self._tell("exiting", ranks=environment.world_size)
            await self._exit(list(self._ranks), Exit(), environment)
            self._tell("exited", ranks=environment.world_size)

    def _followers(self, environment: WorkerEnvironment) -> range:
        return range(1, 1 if self._behaviour.only_rank_zero_reports else environment.world_size)

    def _reports(self, server: Server, rank: int) -> ReportClient:
        pod = self._ranks[rank]
        return ReportClient(server.post, lambda: self._token(pod))

    async def _token(self, pod: Pod) -> str:
        try:
            return await self._kubelet.token(pod)
        except ApiError as error:
            if error.is_transient:
                raise ConnectionError(str(error)) from error
            raise Dismissed(f"no token for {pod.name}: {error}") from error

    async def _lead(self, reports: ReportClient, environment: WorkerEnvironment) -> bool:
        """The training of rank 0. True if all ranks exit now, because they are done or told to stop."""
        for epoch in environment.epochs_to_train:
            await asyncio.sleep(self._behaviour.epoch_seconds)
            self._epoch = epoch
            answer = await self._report_epoch(reports, environment)
            if answer.get("stop"):
                self._tell("told to stop", epoch=epoch)
                return True
            if fault := self._behaviour.fault(self._ranks[0].attempt, epoch):
                await self._fail(fault, environment)
                return False
            if epoch == self._behaviour.silent_after_epoch:
                self._tell("hangs", epoch=epoch)
                return False
        return True

    async def _report_epoch(self, reports: ReportClient, environment: WorkerEnvironment) -> Json:
        report = progress(self._epoch)
        if not environment.saves_after(self._epoch):
            return await reports.send_once(report)
        size = self._behaviour.checkpoint_bytes
        await reports.send_once(
            report | {"checkpoint": environment.checkpoint(self._epoch, "Writing", size)}
        )
        await asyncio.sleep(self._behaviour.checkpoint_seconds)
        complete = environment.checkpoint(self._epoch, "Complete", size)
        answer = await reports.send_until_accepted(report | {"checkpoint": complete})
        self._tell("acknowledged", epoch=self._epoch)
        return answer

    async def _follow(self, server: Server, rank: int) -> None:
        """The training of any other rank: it reports as often as the operator asks for."""
        reports = self._reports(server, rank)
        await asyncio.sleep(rank / self._behaviour.first_reports_per_second)
        while True:
            answer = await reports.send_until_accepted({"step": self._epoch * STEPS_PER_EPOCH})
            await asyncio.sleep(answer["nextReportSeconds"])

    async def _fail(self, fault: Fault, environment: WorkerEnvironment) -> None:
        self._training = False
        victim = fault.victim(environment.world_size)
        self._tell("killed", rank=victim, epoch=self._epoch, exit_code=fault.exit.code)
        bystanders = [self._ranks[rank] for rank in fault.bystanders(environment.world_size)]
        await self._exit([victim], fault.exit, environment)
        if bystanders:
            await asyncio.sleep(_ECHO_SECONDS)
            crashes = (self._kubelet.exits(pod, _CRASH, environment.image) for pod in bystanders)
            await asyncio.gather(*crashes)

    async def _exit(self, ranks: list[int], ending: Exit, environment: WorkerEnvironment) -> None:
        pods = [self._ranks[rank] for rank in ranks]
        await asyncio.gather(*(self._kubelet.exits(pod, ending, environment.image) for pod in pods))


async def train(kubeconfig: Path, behaviour: Behaviour, namespace: str | None = None) -> None:
    """`python -m stargate_lab trainer`: prints each event as one line of JSON."""
    client = Client(
        load_endpoint(kubeconfig), user_agent="stargate-trainer", in_flight=WRITES_AT_ONCE
    )
    async with client:
        await Trainer(client, behaviour, say=_print, namespace=namespace).run()


def _print(event: Json) -> None:
    print(json.dumps(event), flush=True)
