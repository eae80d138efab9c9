"""`make demo`: the article's job on a simulated fleet, through a failure, to its end.

`Demo._play` is the sequence of steps. The exit status is 0 only if the job's last status keeps every
promise (`verdict.py`). Nothing is left running, however the demo ends.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from stargate_lab.cluster import fleet, installation
from stargate_lab.cluster.api import Json
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.kept_logs import explain
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.cluster.object_watch import follow
from stargate_lab.demo.display import picture, show
from stargate_lab.demo.gauges import Meter
from stargate_lab.demo.timeline import Entry, Timeline
from stargate_lab.demo.verdict import Check, verdict
from stargate_lab.demo.view import Scene, disclosure
from stargate_lab.host.paths import REPO
from stargate_lab.host.waiting import REAL_TIME, Clock, Stall
from stargate_lab.process import simulated_cluster
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.trainer_process import TrainerProcess
from stargate_lab.toolchain import binaries
from stargate_lab.workload.training import Behaviour, Fault
from stargate_types.status import Phase, StargateJobStatus

ARTICLE = Path("examples/stargate-materia-v3.yaml")
ARTICLE_NODES = 5000
JOB = "stargate-materia-v3"
JOBS = "/apis/stargate.dev/v1alpha1/namespaces/default/stargatejobs"
FAULT = Fault(epoch=42, rank=1742, echoes=2)
CHECKPOINT_INTERVAL = 5
PICTURE_EPOCH = 60
NATIVE_GANG_NODES = 500
"""Up to this size kube-scheduler keeps the gang whole, above it the operator does. The alpha version in
kube-scheduler 1.36 checks all waiting pods of a gang again for each new pod: 1,000 pods take twice as
long as without it, 5,000 take minutes."""
STALL_SECONDS = 300.0
MOST_RESTARTS = 3
_LOOK_SECONDS = 0.2
_NODES = re.compile(r"^(\s*nodes:) \d+$", re.MULTILINE)


class DemoError(RuntimeError):
    """The demo cannot go on; the message is one sentence on the cause."""


@dataclass(frozen=True)
class Options:
    nodes: int = ARTICLE_NODES
    name: str = "demo"
    epoch_seconds: float | None = None
    keep: bool = False
    svg: Path | None = None
    gang_scheduling: bool | None = None

    @classmethod
    def of(cls, arguments: Namespace) -> "Options":
        return cls(
            nodes=arguments.nodes or ARTICLE_NODES,
            name=arguments.name,
            epoch_seconds=arguments.epoch_seconds,
            keep=os.environ.get("KEEP", "0") not in ("", "0"),
            svg=arguments.svg,
            gang_scheduling=arguments.gang_scheduling,
        )

    @property
    def native_gang(self) -> bool:
        if self.gang_scheduling is not None:
            return self.gang_scheduling
        return self.nodes <= NATIVE_GANG_NODES

    @property
    def behaviour(self) -> Behaviour:
        """Epochs of a large gang are longer, so that every rank reports in each attempt."""
        seconds = self.epoch_seconds or (1.0 if self.nodes > 1000 else 0.3)
        return Behaviour(epoch_seconds=seconds, faults=(FAULT,))


def manifest(text: str, nodes: int) -> str:
    """The manifest of the article's job, with another number of nodes."""
    return _NODES.sub(rf"\1 {nodes}", text)


def main(options: Options) -> int:
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    with _interruptible():
        return Demo(options, console).run()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP clean up as Ctrl-C does, also where the shell ignores SIGINT."""

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterruptible() -> Iterator[None]:
    """Ignores a second Ctrl-C while the demo cleans up, so that nothing is left running."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Demo:
    def __init__(self, options: Options, console: Console, clock: Clock = REAL_TIME) -> None:
        self._options = options
        self._clock = clock
        self._console = console
        plane_options = PlaneOptions(
            gang_scheduling=options.native_gang, outlives_its_owner=options.keep
        )
        self._plane = ControlPlane(options.name, options=plane_options)
        self._operator = OperatorProcess(self._plane)
        self._trainer = TrainerProcess(self._plane, options.behaviour)
        self._meter = Meter(self._plane)
        self._timeline = Timeline()
        self._began = time.time()
        self._doing = ""
        self._events_read = 0
        self._reading_events = threading.Lock()
        self._version = ""
        self._stays = False
        self._operator_restarts = 0

    def run(self) -> int:
        self._refuse_a_second()
        binaries.ensure()
        try:
            self._begin()
            with show(self._console, self._scene):
                self._play()
            self._conclude()
            return 0
        except Exception as error:
            raise DemoError(explain(error, self._plane)) from error
        finally:
            with _uninterruptible():
                self._clean_up()

    def _refuse_a_second(self) -> None:
        owner = self._plane.directory / "owner"
        if owner.exists() and self._plane.pids() and not self._plane.has_lost_its_owner:
            raise DemoError(f"a demo named {self._plane.name} runs already; `make down` ends it")

    def _begin(self) -> None:
        simulated_cluster.down(self._options.name)
        self._began = time.time()
        self._timeline.note("begun", self._began)
        if not self._console.is_terminal:
            for name, words in disclosure(
                self._options.nodes, self._trainer.behaviour.epoch_seconds
            ):
                self._console.print(f"{name}: {words}")

    def _play(self) -> None:
        nodes = self._options.nodes
        self._step("etcd, API server, controllers and scheduler", "plane", self._plane.start)
        self._meter.start()
        self._step(f"{nodes:,} simulated nodes", "fleet", self._register)
        self._step("operator", "operator", self._start_operator)
        self._start_trainer()
        self._step(self._apply_command, "applied", self._apply)
        self._doing = "the job runs"
        threading.Thread(target=self._watch, daemon=True).start()
        self._wait_for_the_end()
        self._doing = "the end"

    def _step(self, what: str, moment: str, act: Callable[[], object]) -> None:
        self._doing = f"starting: {what}"
        act()
        self._timeline.note(moment, time.time(), what)

    def _register(self) -> None:
        fleet.create(Fleet(nodes=self._options.nodes), self._plane.api.credentials)

    def _start_operator(self) -> None:
        installation.install(self._plane)
        installation.apply(self._plane, REPO / "examples" / "catalog.yaml")
        self._operator.start()
        self._meter.operator = self._operator

    def _start_trainer(self) -> None:
        self._trainer.start()
        self._meter.trainer = self._trainer

    @property
    def _apply_command(self) -> str:
        changed = "" if self._is_the_article else f" with nodes: {self._options.nodes}"
        return f"kubectl apply -f {ARTICLE}{changed}"

    @property
    def _is_the_article(self) -> bool:
        return self._options.nodes == ARTICLE_NODES

    def _apply(self) -> None:
        if self._is_the_article:
            installation.kubectl(self._plane, "apply", "-f", str(REPO / ARTICLE))
        else:
            text = manifest((REPO / ARTICLE).read_text(), self._options.nodes)
            installation.kubectl(self._plane, "apply", "-f", "-", stdin=text)

    def _watch(self) -> None:
        for job in follow(self._plane.api.credentials, JOBS, JOB):
            self._version = job["metadata"]["resourceVersion"]
            status = StargateJobStatus.model_validate(job.get("status") or {})
            self._read_events()  # first the event of the trainers, then its effect on the status
            self._timeline.add_status(status, time.time())

    def _wait_for_the_end(self) -> None:
        stall = Stall(self._clock)
        while self._timeline.status.phase not in (Phase.SUCCEEDED, Phase.FAILED):
            self._check_health(stall)
            self._read_events()
            self._take_picture()
            self._clock.sleep(_LOOK_SECONDS)
        self._read_events()

    def _check_health(self, stall: Stall) -> None:
        if not self._operator.pid:
            self._restart_operator()
        if not self._trainer.pid:
            raise DemoError("the process of the simulated trainers has ended")
        if stall.seconds(self._version) > STALL_SECONDS:
            raise DemoError(
                f"the job's status has not changed for {STALL_SECONDS:g} s"
                f" ({_standing(self._timeline.status)})"
            )

    def _restart_operator(self) -> None:
        """Restarts the operator, as its Deployment does: it may lose its lease on a busy machine."""
        self._operator_restarts += 1
        if self._operator_restarts > MOST_RESTARTS:
            raise DemoError(f"the operator has ended {self._operator_restarts} times")
        self._timeline.entries.append(
            Entry(time.time(), "the operator ended, and is started again")
        )
        self._operator.start()

    def _read_events(self) -> None:
        with self._reading_events:
            events = self._trainer.events()
            for event in events[self._events_read :]:
                self._timeline.add_event(event)
            self._events_read = len(events)

    def _take_picture(self) -> None:
        """Saves the picture once, when the second attempt has trained for a while."""
        progress = self._timeline.status.progress
        resumed = (
            self._timeline.status.attempt == 2 and self._timeline.status.phase is Phase.RUNNING
        )
        if resumed and progress and progress.epoch >= PICTURE_EPOCH and self._options.svg:
            if "pictured" not in self._timeline.moments:
                picture(self._scene(), self._options.svg)
            self._timeline.note("pictured", time.time())

    def _scene(self) -> Scene:
        return Scene(
            title=JOB,
            nodes=self._options.nodes,
            epoch_seconds=self._trainer.behaviour.epoch_seconds,
            native_gang=self._options.native_gang,
            began=self._began,
            now=time.time(),
            doing=self._doing,
            status=self._timeline.status,
            gauges=self._meter.gauges,
            entries=tuple(self._timeline.entries),
        )

    def _conclude(self) -> None:
        self._say(f"\n$ kubectl get sj\n{installation.kubectl(self._plane, 'get', 'sj')}")
        job = self._plane.api.get(f"{JOBS}/{JOB}")
        self._say(f"$ kubectl get sj {JOB} -o yaml\n{_status_only(job)}")
        self._say("measured on this machine")
        for span in self._timeline.measured():
            seconds = "-" if span.seconds is None else f"{span.seconds:.1f} s"
            self._say(f"  {span.what:48}{seconds:>9}")
        self._say(self._costs())
        self._stays = self._options.keep
        self._judge(StargateJobStatus.model_validate(job["status"]))

    def _costs(self) -> str:
        now = self._meter.gauges.now
        levels = log_levels(self._operator.log_path.read_text(errors="replace"))
        return (
            f"  operator: {self._operator_restarts} restarts, {self._operator.cpu_seconds():.1f} s CPU,"
            f" {self._operator.peak_rss_bytes() / 1024**2:.0f} MiB peak,"
            f" {now.requests:,.0f} API requests, {now.throttled:.0f} × 429;"
            f" {now.reports:,.0f} reports taken, {now.reports_refused:,.0f} refused;"
            f" its log: {levels['warning']} warnings, {levels['error']} errors\n"
            f"  simulated trainers: {self._trainer.cpu_seconds():.1f} s CPU\n"
        )

    def _judge(self, status: StargateJobStatus) -> None:
        checks: list[Check] = verdict(
            status,
            nodes=self._options.nodes,
            fault=FAULT,
            checkpoint_interval=CHECKPOINT_INTERVAL,
        )
        for check in checks:
            self._say(str(check))
        broken = [check for check in checks if not check.kept]
        if broken:
            raise DemoError(f"the job has broken {len(broken)} of {len(checks)} promises")

    def _clean_up(self) -> None:
        self._meter.stop()
        if self._stays:
            self._say(simulated_cluster.how_to_reach(self._plane, self._operator))
            return
        simulated_cluster.down(self._options.name)
        self._say("everything that was started has ended; KEEP=1 make demo keeps it")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


def _standing(status: StargateJobStatus) -> str:
    """The last status in a few words."""
    if status.phase is None:
        return "it has no phase yet"
    workers = status.workers
    running = f", {workers.running} of {workers.desired} workers running" if workers else ""
    return f"phase {status.phase}{running}"


def _status_only(job: Json) -> str:
    return yaml.safe_dump({"status": job["status"]}, sort_keys=False, width=100)


def log_levels(log: str) -> Counter[str]:
    """The number of lines of the operator's JSON log, by level."""
    lines = (line for line in log.splitlines() if line.startswith("{"))
    return Counter(str(json.loads(line).get("level")) for line in lines)
