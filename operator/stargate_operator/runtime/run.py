"""Starts one replica, runs it until its first part ends, and hands over.

The end of any part ends the process: a replica that lost its lease, a watcher or a task must not go on
half alive. Its supervisor starts it again in a second.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import kopf
import structlog

from stargate_operator.informers.kopf_handlers import kopf_settings, register
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import load_endpoint
from stargate_operator.runtime.leading import lead
from stargate_operator.runtime.namespace_access import (
    NamespaceAccessChanged,
    refused_of,
    until_it_changes,
)
from stargate_operator.runtime.probes import Probes
from stargate_operator.runtime.replica import Replica, user_agent
from stargate_operator.runtime.watchdog import Check, Watchdog
from stargate_operator.settings import Settings
from stargate_operator.telemetry.gauges import keep_gauges

log = structlog.get_logger(__name__)


async def run(settings: Settings) -> int:
    """Runs one replica and returns the exit status: 0 after a signal, 1 after a fault."""
    endpoint = load_endpoint(settings.kubeconfig)
    async with Client(endpoint, user_agent=user_agent(settings)) as client:
        replica = Replica(settings, endpoint, await refused_of(client, settings.scope))
    reports = replica.report_server()
    watchdog = replica.watchdog(Check("report server", reports.problem))
    stop_signal = asyncio.Event()
    probes = Probes(
        liveness=[lambda: "; ".join(watchdog.problems()) or None],
        readiness=[replica.not_ready],
    )
    async with replica.lease_client, replica.client:
        reports.start(settings.reports_host, settings.reports_port)
        await probes.start(settings.probes_host or None, settings.probes_port)
        try:
            return await until_one_ends(
                replica,
                watchdog,
                stop_signal=stop_signal,
                follow_resources=lambda stop: _run_kopf(replica, stop, stop_signal),
            )
        finally:
            await probes.close()
            await reports.close()


async def until_one_ends(
    replica: Replica,
    watchdog: Watchdog,
    *,
    stop_signal: asyncio.Event,
    follow_resources: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> int:
    """Runs all parts until the first ends, and returns the exit status.

    `follow_resources` watches the custom resources, by kopf, until its event is set. It starts last,
    because kopf cancels at its end whatever was started after it.
    """
    stop = asyncio.Event()
    replica.watchers.begin()
    parts = [asyncio.create_task(part) for part in _endless(replica, watchdog)]
    signalled = asyncio.create_task(stop_signal.wait())
    watching = asyncio.create_task(follow_resources(stop), name="kopf")
    try:
        done, _ = await asyncio.wait(
            [*parts, signalled, watching], return_when=asyncio.FIRST_COMPLETED
        )
        return _verdict(done, {signalled, watching})
    finally:
        await _hand_over(replica, [*parts, signalled])
        stop.set()
        await _cancelled([watching])


def _endless(replica: Replica, watchdog: Watchdog) -> list[Coroutine[Any, Any, Any]]:
    return [
        *(informer.run() for informer in replica.informers),
        replica.listening.run(),
        replica.event_recorder.run(),
        keep_gauges(replica.sources()),
        watchdog.run(),
        until_it_changes(replica.lease_client, replica.settings.scope, replica.refused),
        replica.election.run(lambda: lead(replica)),
    ]


def _verdict(done: set[asyncio.Task[Any]], clean: set[asyncio.Task[Any]]) -> int:
    """The exit status. kopf also ends by itself if a signal comes very early;
    any other end is a fault."""
    for task in done:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = None if isinstance(error, NamespaceAccessChanged) else error
            log.error("ending", task=task.get_name(), error=str(error), exc_info=trace)
            return 1
    return 0 if done & clean else 1


async def _hand_over(replica: Replica, parts: list[asyncio.Task[Any]]) -> None:
    """Ends all writers, then gives up the lease. The order is the design."""
    log.info("stopping")
    # First the passes: they are the only writers of jobs and pods, and may be in the middle of a write.
    await replica.work_queue.stop()
    # Then the rest, the election with it: from here on nobody renews the lease.
    await _cancelled(parts)
    # Last the lease. The next leader may write at once, so nobody may still write under the old lease.
    await replica.election.release()


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run_kopf(replica: Replica, stop: asyncio.Event, stop_signal: asyncio.Event) -> None:
    others = asyncio.all_tasks()
    scope = replica.scope
    replica.watchers.install()
    tasks = await kopf.spawn_tasks(
        registry=register(replica.event_handlers()),
        settings=kopf_settings(),
        clusterwide=scope.namespaces is None,
        namespaces=scope.namespaces or (),
        standalone=True,
        # kopf's default identity needs the user's name, and a container's user has none.
        identity=replica.settings.leader_identity,  # type: ignore[arg-type]  # a str by another name
        stop_flag=stop,
    )
    _take_signals_from_kopf(stop_signal)
    await kopf.run_tasks(tasks, ignored=others)


def _take_signals_from_kopf(stop_signal: asyncio.Event) -> None:
    """kopf has installed its signal handlers by now. With them this process would lead for five more
    seconds, while kopf waits for our tasks to end by themselves."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_signal.set)
