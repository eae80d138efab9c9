"""The demo's live view, and its plain line where there is no terminal: pure, from a Scene.

Nothing is invented here: each number is in the job's status, or was read from a process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stargate_lab.demo.gauges import Gauges, Reading
from stargate_lab.demo.timeline import Entry, latest_checkpoint
from stargate_types.status import AttemptStatus, Phase, StargateJobStatus, Workers

WIDTH = 100
_BAR = 38
_LOG_LINES = 8
_MIB = 1024 * 1024
_COLOURS = {
    Phase.RUNNING: "green",
    Phase.SUCCEEDED: "bold green",
    Phase.RESTARTING: "yellow",
    Phase.FAILED: "bold red",
}


@dataclass(frozen=True)
class Scene:
    """All that the view shows at one moment. `doing` is the demo's current step."""

    title: str
    nodes: int
    epoch_seconds: float
    began: float
    now: float
    native_gang: bool = True
    doing: str = ""
    status: StargateJobStatus = field(default_factory=StargateJobStatus)
    gauges: Gauges = field(default_factory=Gauges)
    entries: tuple[Entry, ...] = ()

    @property
    def elapsed(self) -> float:
        return self.now - self.began

    @property
    def workers(self) -> Workers:
        return self.status.workers or Workers()

    @property
    def last_failure(self) -> AttemptStatus | None:
        ended = [each for each in self.status.attempts if each.cause and each.rank is not None]
        return ended[-1] if ended else None


def line(scene: Scene) -> str:
    """The state in one line, for pipes and CI."""
    workers, gauges = scene.workers, scene.gauges
    if not scene.status.phase:
        return f"{clock(scene.elapsed)}  {scene.doing}, {gauges.now.nodes:,} nodes"
    parts = [
        f"{clock(scene.elapsed)}  {scene.status.phase}",
        f"attempt {scene.status.attempt}",
        f"created {workers.created:,} scheduled {workers.scheduled:,} running {workers.running:,}"
        f" succeeded {workers.succeeded:,} of {workers.desired:,}",
        *_epoch_words(scene.status),
        f"operator {gauges.rate(_operator_cpu):.0%} of a core, {_mib(gauges.now.operator_rss)}",
    ]
    return ", ".join(parts)


def _epoch_words(status: StargateJobStatus) -> Iterator[str]:
    if status.progress:
        yield f"epoch {status.progress.epoch} of {status.progress.epochs}"
    checkpoint = latest_checkpoint(status)
    if checkpoint:
        yield f"checkpoint {checkpoint.epoch} {checkpoint.state}"


def render(scene: Scene) -> RenderableType:
    parts = [_bars(scene), _facts(scene), _log(scene), _disclosure(scene)]
    heading = Text.assemble((" Stargate ", "bold"), (f"· {scene.title} ", "dim"))
    subtitle = Text(f" {scene.doing} · {clock(scene.elapsed)} ", style="dim")
    return Panel(
        Group(*parts), title=heading, subtitle=subtitle, width=WIDTH, border_style="bright_black"
    )


def _bars(scene: Scene) -> RenderableType:
    workers, size = scene.workers, scene.nodes
    grid = _grid()
    _bar(grid, "nodes", scene.gauges.now.nodes, size, "simulated machines, registered")
    _bar(grid, "created", workers.created, size, "worker pods, one a node")
    _bar(grid, "scheduled", workers.scheduled, size, "by kube-scheduler")
    _bar(grid, "running", workers.running, size, _gang_keeper(scene))
    _bar(grid, "succeeded", workers.succeeded, size, "")
    progress = scene.status.progress
    if progress:
        _bar(grid, "epoch", progress.epoch, progress.epochs, _pace(scene.status))
    else:
        _bar(grid, "epoch", 0, 0, "")
    return grid


def _gang_keeper(scene: Scene) -> str:
    return "kept whole by " + ("its PodGroup" if scene.native_gang else "the operator")


def _bar(grid: Table, what: str, count: int, total: int, words: str) -> None:
    bar = ProgressBar(
        total=max(total, 1),
        completed=min(count, total),
        width=_BAR,
        style="grey23",
        complete_style="cyan",
        finished_style="green",
    )
    grid.add_row(what, bar, f"{count:,}" if total else "", Text(words, style="dim"))


def _pace(status: StargateJobStatus) -> str:
    assert status.progress is not None
    parts = [f"{status.progress.percent:g} %"]
    left = status.progress.estimated_remaining_seconds
    if left is not None and status.phase is Phase.RUNNING:
        parts.append(f"about {clock(left)} left")
    parts += [f"{m.name} {m.value:.2f}" for m in status.progress.metrics if m.name == "loss"]
    return " · ".join(parts)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="bold")
    grid.add_column(width=_BAR)
    grid.add_column(width=6, justify="right")
    grid.add_column()
    return grid


def _facts(scene: Scene) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="bold")
    grid.add_column(overflow="fold")
    for name, words in _all_facts(scene):
        grid.add_row(name, words)
    return Padding(grid, (1, 0, 0, 0))


def _all_facts(scene: Scene) -> Iterator[tuple[str, RenderableType]]:
    status = scene.status
    yield "phase", _phase(status)
    yield "failure", _failure(scene.last_failure)
    yield "checkpoint", _checkpoint(status)
    yield "goodput", _goodput(status)
    yield "energy", _energy(status)
    yield "operator", _operator(scene.gauges)
    yield "others", _others(scene.gauges)


def _phase(status: StargateJobStatus) -> Text:
    if status.phase is None:
        return Text("no job yet", style="dim")
    words = Text(str(status.phase), style=_COLOURS.get(status.phase, "cyan"))
    restarts = f"{status.restarts} restart" + "s" * (status.restarts != 1)
    words.append(f"  attempt {status.attempt}, {restarts}", style="default")
    restored = status.checkpoints.restored_from if status.checkpoints else None
    if restored:
        words.append(f", resumed from epoch {restored.epoch}", style="default")
    return words


def _failure(attempt: AttemptStatus | None) -> str:
    if attempt is None:
        return "none"
    return f"attempt {attempt.number} ended, {attempt.cause}: {attempt.message}"


def _checkpoint(status: StargateJobStatus) -> str:
    latest = latest_checkpoint(status)
    if latest is None or status.checkpoints is None:
        return "none"
    kept = [
        str(checkpoint.epoch)
        for checkpoint in status.checkpoints.history
        if checkpoint.state == "Complete"
    ]
    return f"latest epoch {latest.epoch}, {latest.state} · acknowledged and kept: {', '.join(kept)}"


def _goodput(status: StargateJobStatus) -> str:
    spent = status.goodput
    if spent is None:
        return "none"
    return (
        f"{spent.ratio:.0%} · productive {spent.productive_seconds:.0f} s, starting"
        f" {spent.starting_seconds:.0f} s, lost {spent.lost_seconds:.0f} s, restarting"
        f" {spent.restarting_seconds:.0f} s"
    )


def _energy(status: StargateJobStatus) -> str:
    if status.energy is None:
        return "none"
    return f"{status.energy.kwh:,.1f} kWh, estimated at PUE {status.energy.pue:g}; nothing drew it"


def _operator(gauges: Gauges) -> str:
    now = gauges.now
    return (
        f"CPU {gauges.rate(_operator_cpu):.0%} of a core, {now.operator_cpu:.0f} s in all ·"
        f" {_mib(now.operator_rss)}, peak {_mib(now.operator_peak_rss)}\n"
        f"API {gauges.rate(lambda r: r.requests):,.0f} requests/s, {now.throttled:.0f} × 429 ·"
        f" {gauges.rate(lambda r: r.reports):,.0f} reports/s, {now.reports:,.0f} taken,"
        f" {now.reports_refused:,.0f} refused"
    )


def _others(gauges: Gauges) -> str:
    return (
        f"control plane {gauges.rate(lambda r: r.plane_cpu):.1f} cores, simulated trainers"
        f" {gauges.rate(lambda r: r.trainer_cpu):.1f}"
    )


def _log(scene: Scene) -> RenderableType:
    lines = Table.grid(padding=(0, 1))
    lines.add_column(width=11, style="dim", justify="left")
    lines.add_column(overflow="ellipsis", no_wrap=True)
    for entry in scene.entries[-_LOG_LINES:]:
        lines.add_row(clock(entry.at - scene.began), entry.text)
    for _ in range(_LOG_LINES - len(scene.entries)):
        lines.add_row("", "")
    return Padding(lines, (1, 0))


def _disclosure(scene: Scene) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="bold")
    grid.add_column(overflow="fold")
    for name, words in disclosure(scene.nodes, scene.epoch_seconds):
        grid.add_row(name, Text(words, style="dim"))
    return grid


def disclosure(nodes: int, epoch_seconds: float) -> Iterable[tuple[str, str]]:
    """The simulated parts and the real parts, for a reader who doubts the view."""
    yield (
        "simulated",
        f"the {nodes:,} machines and their kubelets (kwok), and the arithmetic: an epoch is a sleep"
        f" of {epoch_seconds:g} s, the loss a formula, a checkpoint a name, the kill a pod status.",
    )
    yield (
        "real",
        "etcd, kube-apiserver, kube-scheduler, kube-controller-manager; the operator under its own"
        " ServiceAccount; every pod, its token, its reports over TLS; the status shown here.",
    )


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"


def _operator_cpu(reading: Reading) -> float:
    return reading.operator_cpu


def _mib(size: float) -> str:
    return f"{size / _MIB:.0f} MiB"
