"""One process of the operator: the real code, with the network, clock and random numbers of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import structlog

from stargate_operator.kube.client import Client
from stargate_operator.kube.config import Endpoint
from stargate_operator.reports.handler import Incoming
from stargate_operator.runtime.ports import Ports
from stargate_operator.runtime.replica import Replica as Operator
from stargate_operator.runtime.run import until_one_ends
from stargate_operator.settings import Settings
from tests.kit.api_server.network import Network
from tests.kit.api_server.server import ApiServer
from tests.kit.cluster.custom_resources import CustomResources
from tests.kit.virtual_time import owned_by, running_loop

T = TypeVar("T")

log = structlog.get_logger(__name__)

OPERATOR_NAMESPACE = "stargate-system"
ENDPOINT = Endpoint(
    server="http://api.test", ssl=None, authorization=lambda: None, namespace=OPERATOR_NAMESPACE
)


def _hear(answer: asyncio.Task[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


class Replica:
    """`name` is the name of its pod and its identity in the lease. It can be started once."""

    def __init__(
        self,
        server: ApiServer,
        name: str,
        *,
        dice: Random,
        latency: Callable[[], float],
        settings: dict[str, Any],
    ) -> None:
        self.name = name
        self.skew = 0.0
        """Seconds by which the wall clock of this process is ahead."""
        self.dead = False
        self.exit_status: int | None = None
        self._server = server
        self._dice = dice
        self._latency = latency
        self._loop = running_loop()
        self._networks: list[Network] = []
        self._settings = Settings(
            namespace=OPERATOR_NAMESPACE,
            leader_identity=name,
            pod_name=name,
            reports_ca=Path(__file__),
            **{"native_gangs": "off", **settings},
        )
        self.operator = self._in_its_name(self._composed)
        self._reports = self.operator.report_handler()
        self._stop_signal = asyncio.Event()
        self._main: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        return not self.dead and self.operator.leads

    @property
    def runs(self) -> bool:
        return self._main is not None and not self._main.done()

    def start(self) -> None:
        self._main = self._start(self._run(), f"replica {self.name}")

    def kill(self) -> None:
        """Like SIGKILL: requests in flight still arrive, and the process sends no more."""
        self.dead = True
        for network in self._networks:
            network.die()
        self._loop.resume(self)
        for task in self._loop.tasks_of(self):
            task.cancel()

    def tell_to_stop(self) -> None:
        """Like SIGTERM."""
        self._stop_signal.set()

    async def ended(self) -> None:
        assert self._main is not None
        await asyncio.wait([self._main])

    def pause(self) -> None:
        """Like SIGSTOP."""
        self._loop.pause(self)

    def go_on(self) -> None:
        self._loop.resume(self)

    def cut_off(self) -> None:
        for network in self._networks:
            network.cut()

    def reconnect(self) -> None:
        for network in self._networks:
            network.mend()

    async def take(self, incoming: Incoming) -> Any:
        """Handle a report and return the answer. Raises ReportRefused."""
        if self.dead or not self.runs:
            raise ConnectionRefusedError("the replica does not run")
        answer = self._start(self._reports.take(incoming), f"report to {self.name}")
        answer.add_done_callback(_hear)  # the worker may have gone away meanwhile
        await asyncio.wait([answer])
        if answer.cancelled():
            raise ConnectionResetError("the process is gone")
        return answer.result()

    async def _run(self) -> None:
        operator = self.operator
        client = Client(
            ENDPOINT,
            user_agent=f"kopf/{self.name}",
            transport=self._network(),
            clock=self._loop.time,
            jitter=self._dice.uniform,
        )
        resources = CustomResources(client, operator.watchers, operator.event_handlers())
        try:
            self.exit_status = await until_one_ends(
                operator,
                operator.watchdog(),
                stop_signal=self._stop_signal,
                follow_resources=resources.run,
            )
        finally:
            self.dead = True
            await self._reports.close()
            for network in self._networks:
                network.die()

    def _composed(self) -> Operator:
        ports = Ports(
            transport=lambda _: self._network(),
            now=self._now,
            monotonic=self._loop.time,
            jitter=self._dice.uniform,
        )
        return Operator(self._settings, ENDPOINT, ports=ports)

    def _network(self) -> Network:
        network = Network(self._server, latency=self._latency)
        self._networks.append(network)
        return network

    def _now(self) -> datetime:
        return self._server.now() + timedelta(seconds=self.skew)

    def _in_its_name(self, make: Callable[[], T]) -> T:
        """Call `make` so that its timers and tasks belong to this process."""
        return owned_by(self).run(make)

    def _start(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        return self._loop.create_task(coroutine, name=name, context=owned_by(self))
