"""A simulated trainer in every rank: it starts when its whole gang runs, reports, saves, fails, ends.

The training is arithmetic; all that the operator sees of it is real: the pods' status, tokens that
the API server issued for them, reports over TLS. Gangs of any job are trained, each attempt once. A
real collective stands still as soon as one of its ranks is gone, and so does this one.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from stargate_lab.workload.kubelet import Kubelet
from stargate_lab.workload.reporting import Dismissed, Line, Server
from stargate_lab.workload.training import (
    STEPS_PER_EPOCH,
    Behaviour,
    Exit,
    Fault,
    Json,
    Orders,
    progress,
)
from stargate_operator.informers.informer import Informer
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
    """Trains every gang that comes to run, in one namespace or in all, until it is cancelled."""

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
        self._pods = Informer(client, PodStore(self._notice), namespace=namespace)

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
        self._orders: Orders | None = None
        self._task: asyncio.Task[None] | None = None
        self._training = False
        self._epoch = 0

    def notice(self, pod: Pod, *, runs: bool) -> None:
        if runs:
            self._ranks[pod.rank] = pod
        elif self._ranks.pop(pod.rank, None) is not None and self._training:
            self.stand_still()
        if self._task is None and (0 in self._ranks if self._orders is None else self._is_whole):
            self._task = asyncio.create_task(self._live())

    def stand_still(self) -> None:
        """A collective that has lost a rank makes no step, and a trainer that hangs says nothing."""
        self._training = False
        if self._task is not None:
            self._task.cancel()

    @property
    def is_over(self) -> bool:
        return not self._ranks and self._task is not None and self._task.done()

    @property
    def _is_whole(self) -> bool:
        return self._orders is not None and len(self._ranks) == self._orders.world_size

    async def _live(self) -> None:
        with self._telling():
            if self._orders is None:
                self._orders = Orders.of(await self._kubelet.manifest(self._ranks[0]))
            if self._is_whole:
                await self._train(self._orders)
                return
        self._task = None

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whoever runs the trainer hears what went wrong; an attempt ends, the trainer goes on."""
        try:
            yield
        except* Dismissed as dismissed:
            self._tell("dismissed", message=str(dismissed.exceptions[0]))
        except* Exception as failed:
            self._tell("trouble", message=repr(failed.exceptions[0]))

    async def _train(self, orders: Orders) -> None:
        self._training, self._epoch = True, orders.resume_epoch
        self._tell("training", ranks=orders.world_size, from_epoch=orders.resume_epoch)
        server = Server(orders.report_url, orders.report_ca)
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._follow(server, r)) for r in self._followers(orders)]
            finished = await self._lead(self._line(server, 0), orders)
            for other in others:
                other.cancel()
        self._training = False
        if finished:
            self._tell("exiting", ranks=orders.world_size)
            await self._exit(list(self._ranks), Exit(), orders)
            self._tell("exited", ranks=orders.world_size)

    def _followers(self, orders: Orders) -> range:
        return range(1, 1 if self._behaviour.only_rank_zero_reports else orders.world_size)

    def _line(self, server: Server, rank: int) -> Line:
        pod = self._ranks[rank]
        return Line(server.post, lambda: self._token(pod))

    async def _token(self, pod: Pod) -> str:
        try:
            return await self._kubelet.token(pod)
        except ApiError as error:
            if error.is_transient:
                raise ConnectionError(str(error)) from error
            raise Dismissed(f"no token for {pod.name}: {error}") from error

    async def _lead(self, line: Line, orders: Orders) -> bool:
        """Rank 0's training. Whether all ranks exit now: done, or told to stop."""
        for epoch in orders.epochs_to_train:
            await asyncio.sleep(self._behaviour.epoch_seconds)
            self._epoch = epoch
            answer = await self._report_epoch(line, orders)
            if answer.get("stop"):
                self._tell("told to stop", epoch=epoch)
                return True
            if fault := self._behaviour.fault(self._ranks[0].attempt, epoch):
                await self._fail(fault, orders)
                return False
            if epoch == self._behaviour.silent_after_epoch:
                self._tell("hangs", epoch=epoch)
                return False
        return True

    async def _report_epoch(self, line: Line, orders: Orders) -> Json:
        report = progress(self._epoch)
        if not orders.saves_after(self._epoch):
            return await line.mention(report)
        size = self._behaviour.checkpoint_bytes
        await line.mention(report | {"checkpoint": orders.checkpoint(self._epoch, "Writing", size)})
        await asyncio.sleep(self._behaviour.checkpoint_seconds)
        complete = orders.checkpoint(self._epoch, "Complete", size)
        answer = await line.insist(report | {"checkpoint": complete})
        self._tell("acknowledged", epoch=self._epoch)
        return answer

    async def _follow(self, server: Server, rank: int) -> None:
        """Any other rank: a sign of life, when the operator asks for the next."""
        line = self._line(server, rank)
        await asyncio.sleep(rank / self._behaviour.first_reports_per_second)
        while True:
            answer = await line.insist({"step": self._epoch * STEPS_PER_EPOCH})
            await asyncio.sleep(answer["nextReportSeconds"])

    async def _fail(self, fault: Fault, orders: Orders) -> None:
        self._training = False
        victim = fault.victim(orders.world_size)
        self._tell("killed", rank=victim, epoch=self._epoch, exit_code=fault.exit.code)
        bystanders = [self._ranks[rank] for rank in fault.bystanders(orders.world_size)]
        await self._exit([victim], fault.exit, orders)
        if bystanders:
            await asyncio.sleep(_ECHO_SECONDS)
            crashes = (self._kubelet.exits(pod, _CRASH, orders.image) for pod in bystanders)
            await asyncio.gather(*crashes)

    async def _exit(self, ranks: list[int], ending: Exit, orders: Orders) -> None:
        pods = [self._ranks[rank] for rank in ranks]
        await asyncio.gather(*(self._kubelet.exits(pod, ending, orders.image) for pod in pods))


async def train(kubeconfig: Path, behaviour: Behaviour, namespace: str | None = None) -> None:
    """`python -m stargate_lab trainer`: what happens stands on stdout, a JSON object a line."""
    client = Client(
        load_endpoint(kubeconfig), user_agent="stargate-trainer", in_flight=WRITES_AT_ONCE
    )
    async with client:
        await Trainer(client, behaviour, say=_print, namespace=namespace).run()


def _print(event: Json) -> None:
    print(json.dumps(event), flush=True)
