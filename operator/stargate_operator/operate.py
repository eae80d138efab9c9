"""One replica, put together and run: watches warm from the start, effects only while it leads.

Whatever ends, ends the process: a replica that lost its lease, a watcher or a task must not go on
half alive, and its supervisor starts it again in a second.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
import structlog

from stargate_operator.constants import FIELD_MANAGER
from stargate_operator.defaults.applier import Bringer
from stargate_operator.desired.environment import ReportTarget
from stargate_operator.informers.catalog import Catalogue
from stargate_operator.informers.foreign_pods import ForeignPods
from stargate_operator.informers.informer import PODS, SERVICES, Follower, Informer
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.kopf_handlers import (
    Handler,
    handlers,
    kopf_settings,
    register,
    watched,
)
from stargate_operator.informers.kopf_watchers import KopfWatchers
from stargate_operator.informers.node_tracker import Nodes, Patience
from stargate_operator.informers.nodes import NodeInformer
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.informers.relist import catch_up
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import Endpoint, load_endpoint
from stargate_operator.kube.leadership import Leadership
from stargate_operator.kube.pod_groups import find_group_version
from stargate_operator.kube.transport import Jitter, Transport
from stargate_operator.kube.watchdog import Check, Watchdog
from stargate_operator.leader_label import take_label
from stargate_operator.model.node import Node
from stargate_operator.model.pod import Pod
from stargate_operator.notice_board import NoticeBoard
from stargate_operator.placement.contention import Rivals
from stargate_operator.placement.fleet import Fleet
from stargate_operator.placement.placer import Placing
from stargate_operator.probes import Probes
from stargate_operator.reach import ReachChanged, refused_of, until_it_changes
from stargate_operator.reconcile.compute_blocks import Accountant
from stargate_operator.reconcile.event_recorder import Teller
from stargate_operator.reconcile.gang_objects import Companions
from stargate_operator.reconcile.reconciler import World
from stargate_operator.reconcile.work_queue import Circle
from stargate_operator.reports.authentication import Identities
from stargate_operator.reports.certificate import ServingCertificate
from stargate_operator.reports.handler import Intake
from stargate_operator.reports.listening import Hearing
from stargate_operator.reports.pending import Ledger
from stargate_operator.reports.server import ReportServer
from stargate_operator.settings import Settings
from stargate_operator.telemetry import metrics
from stargate_operator.telemetry.gauges import Sources, keep_gauges

log = structlog.get_logger(__name__)

_NODE_NEWS_SECONDS = 0.1


@dataclass(frozen=True)
class Ports:
    """What a replica takes from the machine that it runs on. Tests hand in others."""

    transport: Callable[[Endpoint], Transport | None] = lambda _: None
    """Of one client; None: connections to the endpoint."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    jitter: Jitter = random.uniform


THIS_MACHINE = Ports()


class Replica:
    """Everything that one process consists of."""

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        refused: tuple[str, ...] = (),
        ports: Ports = THIS_MACHINE,
    ) -> None:
        """`refused`: namespaces of the settings that may not be watched."""
        self.settings = settings
        self.refused = refused
        self.ports = ports
        self.scope = scope = settings.scope.without(refused)
        self.jobs, self.catalogue, self.ledger = Jobs(), Catalogue(), Ledger()
        self.circle = Circle()
        self.lease_client = self._client(endpoint)
        self.leadership = Leadership(
            self.lease_client,
            namespace=settings.namespace,
            name=settings.lease_name,
            identity=settings.leader_identity,
            duration=settings.lease_duration_seconds,
            renew_deadline=settings.lease_renew_deadline_seconds,
            retry=settings.lease_retry_seconds,
            clock=ports.monotonic,
            wall_clock=ports.now,
            jitter=ports.jitter,
        )
        self.client = self._client(
            endpoint, guard=self.leadership.guard, in_flight=settings.requests_in_flight
        )
        self.hearing = Hearing(ports.now, ports.monotonic)
        self.nodes = Nodes(
            Patience(
                lost_after=timedelta(seconds=settings.node_lost_seconds),
                avoided_for=timedelta(seconds=settings.avoid_lost_nodes_seconds),
            ),
            every_pod=self._every_pod,
            clock=ports.now,
            monotonic=ports.monotonic,
        )
        self.node_informer = NodeInformer(
            self.client,
            on_change=self._node_changed,
            clock=ports.monotonic,
            jitter=ports.jitter,
        )
        self._node_news: set[str] = set()
        self.fleet = Fleet(ports.monotonic)
        self.foreign_pods = [self._foreign_pods()]
        if scope.namespaces is not None:
            self.foreign_pods.append(self._foreign_pods(outside=scope.namespaces))
        self.pods = PodStore(self._pod_changed, ports.monotonic)
        self.services = PodStore(self._companion_changed, ports.monotonic)
        self.pod_groups: PodStore | None = None
        self.informers: list[Follower[Any]] = [
            *self._of_jobs(self.pods, PODS),
            *self._of_jobs(self.services, SERVICES),
            *self.foreign_pods,
            self.node_informer,
        ]
        self.teller = Teller(self.client, instance=settings.leader_identity, clock=ports.now)
        self.watchers = KopfWatchers(watched(scope), ports.monotonic)
        self.told_to_stop = asyncio.Event()
        self._leading = asyncio.Event()

    def _of_jobs(self, store: PodStore, path: str) -> list[Informer]:
        """What belongs to jobs, each namespace of the scope followed by itself and kept together."""
        return [
            Informer(
                self.client,
                store,
                path=path,
                namespace=namespace,
                clock=self.ports.monotonic,
                jitter=self.ports.jitter,
            )
            for namespace in self.scope.parts
        ]

    def _foreign_pods(self, outside: tuple[str, ...] = ()) -> ForeignPods:
        return ForeignPods(
            self.client,
            on_change=self.fleet.held,
            outside=outside,
            clock=self.ports.monotonic,
            jitter=self.ports.jitter,
        )

    def _client(
        self,
        endpoint: Endpoint,
        *,
        guard: Callable[[], None] | None = None,
        in_flight: int = 1,
    ) -> Client:
        client = Client(
            endpoint,
            user_agent=_agent(self.settings),
            guard=guard,
            in_flight=in_flight,
            transport=self.ports.transport(endpoint),
            clock=self.ports.monotonic,
            jitter=self.ports.jitter,
        )
        client.on_request = metrics.api_answered
        return client

    def _pod_changed(self, uid: str, old: Pod | None, new: Pod | None) -> None:
        self.fleet.pod_changed(old, new)
        self.circle.pod_changed(uid, old, new)

    def _every_pod(self) -> Iterator[Pod]:
        return (pod for uid in self.pods.job_uids() for pod in self.pods.of_job(uid).values())

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """Many nodes fail together, and whom it concerns is found by a look at every pod."""
        self.fleet.node_changed(old, new)
        changed = new or old
        if changed is None or not self.nodes.take(new, old):
            return
        if not self._node_news:
            asyncio.get_running_loop().call_later(_NODE_NEWS_SECONDS, self._tell_of_nodes)
        self._node_news.add(changed.name)

    def _tell_of_nodes(self) -> None:
        names, self._node_news = self._node_news, set()
        avoiding = {
            job.uid
            for job in self.jobs
            if any(each.name in names for each in job.status.avoided_nodes)
        }
        for uid in self.nodes.concerned(names) | avoiding:
            self.circle.wake(uid)

    def _companion_changed(self, uid: str, old: Pod | None, new: Pod | None) -> None:
        if new is None and old is not None:
            self.circle.wake(uid)

    @property
    def leads(self) -> bool:
        return self.leadership.is_leader and self._leading.is_set()

    async def lead(self) -> None:
        """From here on this process may write."""
        group_version = await self._follow_pod_groups()
        await self._all_synced()
        acted_on = [each for each in self.informers if each not in self.foreign_pods]
        await catch_up(self.client, self.scope, self.jobs, self.catalogue, acted_on)
        self.nodes.miss({pod.node for pod in self._every_pod()})
        if self.settings.pod_name:
            await take_label(
                self.client, namespace=self.settings.namespace, pod_name=self.settings.pod_name
            )
        self.hearing.begin()  # before any pass: as a standby it heard nobody
        self.circle.start(self._world(group_version))
        self._leading.set()
        metrics.leading(True)
        log.info("leading", identity=self.settings.leader_identity, native_gangs=group_version)
        await self._until_a_part_fails()

    async def _until_a_part_fails(self) -> None:
        assert self.circle.failure is not None
        duties = [asyncio.ensure_future(each) for each in self._duties()]
        try:
            await first_failure(self.circle.failure, *duties)
        finally:
            for each in duties:
                each.cancel()

    def _duties(self) -> list[Coroutine[Any, Any, None]]:
        """Of a leader, beside the jobs."""
        directory = self.settings.defaults_directory
        bringing = [Bringer(self.client, directory).run()] if directory else []
        return [self._accountant().run(), *bringing]

    def _accountant(self) -> Accountant:
        return Accountant(
            self.client,
            self.catalogue,
            self.fleet,
            seconds=self.settings.compute_seconds,
            clock=self.ports.now,
        )

    async def _follow_pod_groups(self) -> str | None:
        if self.settings.native_gangs == "off":
            return None
        candidates = self.scope.namespaces or (self.settings.namespace,)
        found = await find_group_version(self.client, namespaces=candidates)
        if found is not None:
            self.pod_groups = PodStore(self._companion_changed, self.ports.monotonic)
            followers = self._of_jobs(self.pod_groups, f"/apis/{found}/podgroups")
            self.informers.extend(followers)
            self._pod_group_tasks = [asyncio.create_task(each.run()) for each in followers]
        return found

    async def _all_synced(self) -> None:
        for informer in self.informers:
            await informer.synced.wait()

    def _world(self, group_version: str | None) -> World:
        return World(
            client=self.client,
            jobs=self.jobs,
            catalogue=self.catalogue,
            pods=self.pods,
            nodes=self.nodes,
            companions=Companions(
                self.client,
                services=self.services,
                pod_groups=self.pod_groups,
                group_version=group_version,
            ),
            ledger=self.ledger,
            hearing=self.hearing,
            rivals=Rivals(self.jobs),
            placing=Placing(self.fleet, self.catalogue, self.jobs),
            teller=self.teller,
            target=self._report_target,
            clock=self.ports.now,
            monotonic=self.ports.monotonic,
            jitter=self.ports.jitter,
            wake=self.circle.wake,
        )

    def _report_target(self) -> ReportTarget:
        """Read for each gang: a CA may be renewed while this process runs."""
        settings = self.settings
        return ReportTarget(settings.reports_url, ca_bundle=settings.reports_ca.read_text())

    def report_handler(self) -> Intake:
        """What judges the reports, whichever way they come in."""
        board = NoticeBoard(
            jobs=self.jobs,
            pods=self.pods,
            circle=self.circle,
            leads=lambda: self.leads and self.watchers.listed,
            scope=self.scope,
        )
        identities = Identities(self.client, lambda: self.ports.now().timestamp())
        return Intake(board, self.ledger, identities, clock=self.ports.now, hearing=self.hearing)

    def report_server(self) -> ReportServer:
        certificate = ServingCertificate(
            self.settings.reports_certificate, self.settings.reports_key
        )
        return ReportServer(self.report_handler(), certificate)

    def watchdog(self, *others: Check) -> Watchdog:
        return Watchdog(
            [
                Check("kopf watchers", self.watchers.problem),
                Check("watches", self._silence),
                *others,
            ],
            clock=self.ports.monotonic,
        )

    def _silence(self) -> str | None:
        silent = [each for each in self.informers if not each.alive(self.ports.monotonic())]
        return f"{len(silent)} of them have fallen silent" if silent else None

    def sources(self) -> Sources:
        return Sources(
            jobs=self.jobs,
            reports_of=self.ledger.of,
            leads=lambda: self.leads,
            watch_ages=self._watch_ages,
            queues={
                "passes": lambda: self.circle.due,
                "pods": lambda: self.circle.pods_waiting,
                "requests": lambda: self.client.limiter.waiting,
                "events": lambda: self.teller.waiting,
            },
            pods=self.pods.__len__,
            foreign_pods=lambda: sum(len(each) for each in self.foreign_pods),
            concurrency=lambda: self.client.limiter.limit,
            clock=self.ports.now,
            monotonic=self.ports.monotonic,
        )

    def _watch_ages(self) -> dict[str, float]:
        ages, now = self.watchers.ages(), self.ports.monotonic()
        for each in self.informers:
            ages[each.name] = max(ages.get(each.name, 0.0), now - each.last_heard)
        return ages

    def handlers(self) -> dict[str, Handler]:
        """Of the events of the custom resources."""
        return handlers(
            self.jobs, self.catalogue, wake=self.circle.wake, wake_all=self.circle.wake_all
        )

    async def kopf(self, stop: asyncio.Event) -> None:
        others = asyncio.all_tasks()
        self.watchers.install()
        tasks = await kopf.spawn_tasks(
            registry=register(self.handlers()),
            settings=kopf_settings(),
            clusterwide=self.scope.namespaces is None,
            namespaces=self.scope.namespaces or (),
            standalone=True,
            # kopf's own asks for the user's name, which a container's has not.
            identity=self.settings.leader_identity,  # type: ignore[arg-type]  # a str by another name
            stop_flag=stop,
        )
        self._hear_signals()
        await kopf.run_tasks(tasks, ignored=others)

    def _hear_signals(self) -> None:
        """In kopf's stead, which has taken them by now: it would lead on for five seconds more, waiting
        for tasks of ours to end by themselves."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.told_to_stop.set)


async def first_failure(*parts: asyncio.Future[None]) -> None:
    """Raises what the first of them ended with."""
    done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        each.result()


def _agent(settings: Settings) -> str:
    return f"{FIELD_MANAGER}/{settings.leader_identity}"


async def operate(settings: Settings) -> int:
    """The process's exit status: 0 if it was told to stop, 1 if it had to."""
    endpoint = load_endpoint(settings.kubeconfig)
    async with Client(endpoint, user_agent=_agent(settings)) as client:
        replica = Replica(settings, endpoint, await refused_of(client, settings.scope))
    reports = replica.report_server()
    watchdog = replica.watchdog(Check("report server", reports.problem))
    probes = Probes(
        liveness=[lambda: "; ".join(watchdog.problems()) or None],
        readiness=[lambda: _not_ready(replica)],
    )
    async with replica.lease_client, replica.client:
        reports.start(settings.reports_host, settings.reports_port)
        await probes.start(settings.probes_host or None, settings.probes_port)
        try:
            return await until_one_ends(replica, watchdog, replica.kopf)
        finally:
            await probes.close()
            await reports.close()


def _not_ready(replica: Replica) -> str | None:
    """A standby is ready too: its watches are warm, and the report Service selects the leader."""
    waiting = [informer for informer in replica.informers if not informer.synced.is_set()]
    return "not all watches have synced" if waiting else None


async def until_one_ends(
    replica: Replica,
    watchdog: Watchdog,
    follow_resources: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> int:
    """`follow_resources` watches the custom resources until it is told to stop. That is kopf's part,
    and it comes last: when kopf ends, it cancels what was started after it."""
    stop = asyncio.Event()
    replica.watchers.begin()
    parts = [asyncio.create_task(each) for each in _endless(replica, watchdog)]
    told = asyncio.create_task(replica.told_to_stop.wait())
    watching = asyncio.create_task(follow_resources(stop), name="kopf")
    try:
        done, _ = await asyncio.wait([*parts, told, watching], return_when=asyncio.FIRST_COMPLETED)
        return _verdict(done, {told, watching})
    finally:
        await _hand_over(replica, [*parts, told])
        stop.set()
        await _cancelled([watching])


def _endless(replica: Replica, watchdog: Watchdog) -> list[Coroutine[Any, Any, Any]]:
    return [
        *(informer.run() for informer in replica.informers),
        replica.hearing.run(),
        replica.teller.run(),
        keep_gauges(replica.sources()),
        watchdog.run(),
        until_it_changes(replica.lease_client, replica.settings.scope, replica.refused),
        replica.leadership.run(replica.lead),
    ]


def _verdict(done: set[asyncio.Task[Any]], clean: set[asyncio.Task[Any]]) -> int:
    """kopf too ends by itself on a signal, if that comes very early; any other end is a fault."""
    for task in done:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = None if isinstance(error, ReachChanged) else error
            log.error("ending", task=task.get_name(), error=str(error), exc_info=trace)
            return 1
    return 0 if done & clean else 1


async def _hand_over(replica: Replica, parts: list[asyncio.Task[Any]]) -> None:
    """The lease is given up when nobody writes under it any more."""
    log.info("stopping")
    await replica.circle.stop()
    await _cancelled(parts)
    await replica.leadership.release()


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
