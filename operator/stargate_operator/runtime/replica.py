"""Builds the parts of one replica and connects them. It starts nothing by itself.

`leading.py` says what a replica does from the moment when it leads. `run.py` says how the process
starts and ends.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import structlog

from stargate_operator.constants import FIELD_MANAGER
from stargate_operator.desired.environment import ReportTarget
from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.foreign_pods import ForeignPods
from stargate_operator.informers.gang_object_informer import (
    SERVICES,
    GangObjectInformer,
    GangObjectStore,
)
from stargate_operator.informers.informer import PODS, Informer, JobObjectInformer
from stargate_operator.informers.job_object_store import Item, JobObjectStore
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.kopf_handlers import Handler, handlers, watched
from stargate_operator.informers.kopf_watchers import KopfWatchers
from stargate_operator.informers.node_tracker import NodeLossTimes, NodeTracker
from stargate_operator.informers.nodes import NodeInformer
from stargate_operator.informers.pod_store import PodStore
from stargate_operator.informers.reflector import Reflector
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import Endpoint
from stargate_operator.kube.pod_groups import find_group_version
from stargate_operator.model.pod import Pod
from stargate_operator.placement.contention import GangContention
from stargate_operator.placement.fleet import Fleet
from stargate_operator.placement.placer import Placer
from stargate_operator.reconcile.compute_blocks import ComputeBlockWriter
from stargate_operator.reconcile.event_recorder import EventRecorder
from stargate_operator.reconcile.gang_objects import GangObjects
from stargate_operator.reconcile.reconciler import Dependencies
from stargate_operator.reconcile.work_queue import WorkQueue
from stargate_operator.reports.authentication import TokenAuthenticator
from stargate_operator.reports.certificate import ServingCertificate
from stargate_operator.reports.handler import ReportHandler
from stargate_operator.reports.listening import ListeningSince
from stargate_operator.reports.pending import PendingReports
from stargate_operator.reports.server import ReportServer
from stargate_operator.runtime.job_lookup import CachedJobLookup
from stargate_operator.runtime.leader_election import LeaderElection
from stargate_operator.runtime.ports import MACHINE, Ports
from stargate_operator.runtime.wakeups import Wakeups
from stargate_operator.runtime.watchdog import Check, Watchdog
from stargate_operator.settings import Settings
from stargate_operator.telemetry import metrics
from stargate_operator.telemetry.gauges import Sources

log = structlog.get_logger(__name__)


class Replica:
    """All parts of one process."""

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        refused: tuple[str, ...] = (),
        ports: Ports = MACHINE,
    ) -> None:
        """`refused` are the namespaces of the settings that the operator may not watch."""
        self.settings = settings
        self.refused = refused
        self.ports = ports
        self.scope = scope = settings.scope.without(refused)
        self.jobs, self.catalog, self.pending = Jobs(), Catalog(), PendingReports()
        self.work_queue = WorkQueue()
        self.lease_client = self._client(endpoint)
        self.election = LeaderElection(
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
            endpoint, guard=self.election.guard, in_flight=settings.requests_in_flight
        )
        self.listening = ListeningSince(ports.now, ports.monotonic)
        self.fleet = Fleet(ports.monotonic)
        self.node_tracker = NodeTracker(
            NodeLossTimes(
                lost_after=timedelta(seconds=settings.node_lost_seconds),
                avoided_for=timedelta(seconds=settings.avoid_lost_nodes_seconds),
            ),
            every_pod=self.every_pod,
            clock=ports.now,
            monotonic=ports.monotonic,
        )
        self.wakeups = Wakeups(
            work_queue=self.work_queue,
            fleet=self.fleet,
            jobs=self.jobs,
            node_tracker=self.node_tracker,
        )
        self.node_informer = NodeInformer(
            self.client,
            on_change=self.wakeups.node_changed,
            clock=ports.monotonic,
            jitter=ports.jitter,
        )
        self.foreign_pods = [self._foreign_pods()]
        if scope.namespaces is not None:
            self.foreign_pods.append(self._foreign_pods(outside=scope.namespaces))
        self.pods = PodStore(self.wakeups.pod_changed, ports.monotonic)
        self.services = GangObjectStore(self.wakeups.gang_object_changed, ports.monotonic)
        self.pod_groups: GangObjectStore | None = None
        self.informers: list[Reflector[Any]] = [
            *self._informers(Informer, self.pods, PODS),
            *self._informers(GangObjectInformer, self.services, SERVICES),
            *self.foreign_pods,
            self.node_informer,
        ]
        self._every_replica_follows = tuple(self.informers)
        self.event_recorder = EventRecorder(
            self.client, instance=settings.leader_identity, clock=ports.now
        )
        self.watchers = KopfWatchers(watched(scope), ports.monotonic)
        self.leads_now = asyncio.Event()

    def _informers(
        self, kind: type[JobObjectInformer[Any, Item]], store: JobObjectStore[Item], path: str
    ) -> list[JobObjectInformer[Any, Item]]:
        """One for each namespace of the scope. They share a store."""
        return [
            kind(
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
        self, endpoint: Endpoint, *, guard: Callable[[], None] | None = None, in_flight: int = 1
    ) -> Client:
        client = Client(
            endpoint,
            user_agent=user_agent(self.settings),
            guard=guard,
            in_flight=in_flight,
            transport=self.ports.transport(endpoint),
            clock=self.ports.monotonic,
            jitter=self.ports.jitter,
        )
        client.on_request = metrics.api_answered
        return client

    def every_pod(self) -> Iterator[Pod]:
        return (pod for uid in self.pods.job_uids() for pod in self.pods.of_job(uid).values())

    @property
    def leads(self) -> bool:
        return self.election.is_leader and self.leads_now.is_set()

    def compute_blocks(self) -> ComputeBlockWriter:
        return ComputeBlockWriter(
            self.client,
            self.catalog,
            self.fleet,
            seconds=self.settings.compute_seconds,
            clock=self.ports.now,
        )

    async def follow_pod_groups(self) -> str | None:
        if self.settings.native_gangs == "off":
            return None
        candidates = self.scope.namespaces or (self.settings.namespace,)
        found = await find_group_version(self.client, namespaces=candidates)
        if found is not None:
            self.pod_groups = GangObjectStore(
                self.wakeups.gang_object_changed, self.ports.monotonic
            )
            path = f"/apis/{found}/podgroups"
            reflectors = self._informers(GangObjectInformer, self.pod_groups, path)
            self.informers.extend(reflectors)
            self._pod_group_tasks = [
                asyncio.create_task(reflector.run()) for reflector in reflectors
            ]
        return found

    def dependencies(self, group_version: str | None) -> Dependencies:
        return Dependencies(
            client=self.client,
            jobs=self.jobs,
            catalog=self.catalog,
            pods=self.pods,
            node_tracker=self.node_tracker,
            gang_objects=GangObjects(
                self.client,
                services=self.services,
                pod_groups=self.pod_groups,
                group_version=group_version,
            ),
            pending=self.pending,
            listening=self.listening,
            contention=GangContention(self.jobs),
            placer=Placer(self.fleet, self.catalog, self.jobs),
            event_recorder=self.event_recorder,
            target=self._report_target,
            clock=self.ports.now,
            monotonic=self.ports.monotonic,
            jitter=self.ports.jitter,
            wake=self.work_queue.wake,
        )

    def _report_target(self) -> ReportTarget:
        """Read again for each gang, because the CA may be renewed while this process runs."""
        settings = self.settings
        return ReportTarget(settings.reports_url, ca_bundle=settings.reports_ca.read_text())

    def report_handler(self) -> ReportHandler:
        """Judges the reports, whichever way they come in."""
        lookup = CachedJobLookup(
            jobs=self.jobs,
            pods=self.pods,
            work_queue=self.work_queue,
            # See docs/decisions/0015-workers-doubt-a-missing-job.md.
            leads=lambda: self.leads and self.watchers.listed,
            scope=self.scope,
        )
        now = self.ports.now
        authenticator = TokenAuthenticator(self.client, lambda: now().timestamp())
        return ReportHandler(
            lookup, self.pending, authenticator, clock=now, listening=self.listening
        )

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

    def not_ready(self) -> str | None:
        """Why this replica is not ready; None if it is. A standby is ready too: the report Service
        selects the leader. Pod groups do not count. The leader alone follows them, and if it were not
        ready while it lists them, the Service would lose the leader at the start of its term."""
        synced = all(informer.synced.is_set() for informer in self._every_replica_follows)
        return None if synced else "not all watches have synced"

    def _silence(self) -> str | None:
        now = self.ports.monotonic()
        silent = [informer for informer in self.informers if not informer.alive(now)]
        return f"{len(silent)} of them have fallen silent" if silent else None

    def sources(self) -> Sources:
        return Sources(
            jobs=self.jobs,
            reports_of=self.pending.of,
            leads=lambda: self.leads,
            watch_ages=self._watch_ages,
            queues={
                "passes": lambda: self.work_queue.due,
                "pods": lambda: self.work_queue.pods_waiting,
                "requests": lambda: self.client.limiter.waiting,
                "events": lambda: self.event_recorder.waiting,
            },
            pods=self.pods.__len__,
            foreign_pods=lambda: sum(len(pods) for pods in self.foreign_pods),
            concurrency=lambda: self.client.limiter.limit,
            clock=self.ports.now,
            monotonic=self.ports.monotonic,
        )

    def event_handlers(self) -> dict[str, Handler]:
        """The handlers of events of the custom resources, by the plural of the kind."""
        queue = self.work_queue
        return handlers(self.jobs, self.catalog, wake=queue.wake, wake_all=queue.wake_all)

    def _watch_ages(self) -> dict[str, float]:
        ages, now = self.watchers.ages(), self.ports.monotonic()
        for informer in self.informers:
            age = now - informer.last_heard
            ages[informer.name] = max(ages.get(informer.name, 0.0), age)
        return ages


def user_agent(settings: Settings) -> str:
    return f"{FIELD_MANAGER}/{settings.leader_identity}"
