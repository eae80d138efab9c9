"""The results as Markdown tables that are readable in a terminal. Pure: from measurements to text."""

from collections.abc import Callable, Iterable, Iterator
from statistics import median

from bench.contenders import AGENTS, FLOOR, NAMES, OPERATOR
from bench.record import DELETION, PHASES, RESTART, START, Measurement, Writes
from bench.targets import cpu_ms_per_pod, peak_mib, ratio, select, sizes, targets
from bench.timeline import Milestone

Row = list[str]

TITLES = {
    FLOOR: "floor",
    OPERATOR: "operator",
    "job-raised": "Indexed Job, raised limits",
    "job": "Indexed Job, default limits",
}
_COMING = (Milestone.CREATED, Milestone.SCHEDULED)
_SHOWN = {
    START: _COMING,
    RESTART: (Milestone.FIRST_DELETE, Milestone.GONE, *_COMING),
    DELETION: (Milestone.FIRST_DELETE,),
}
_END = {START: "running", RESTART: "running", DELETION: "all gone"}
_HEADINGS = {Milestone.GONE: "old gang gone"}
_RARE = 0.005
"""A writer with fewer writes per pod has no row."""


def results(measured: list[Measurement], counted: list[Writes]) -> str:
    return "\n\n".join(
        part
        for part in (
            _verdicts(measured, counted),
            *(_phase(measured, phase) for phase in PHASES),
            _operator(measured),
            *(_writes(counted, phase) for phase in PHASES),
        )
        if part
    )


def line(measurement: Measurement) -> str:
    """One line of progress."""
    moments = ", ".join(f"{name} {at:.2f}" for name, at in measurement.moments.items())
    own = f", {measurement.cpu_ms_per_pod:.2f} ms CPU a pod" if measurement.cpu.get("self") else ""
    who = f"{measurement.size:>5} {measurement.contender:<10}"
    where = f"{who} {measurement.phase:<8} round {measurement.round}"
    return f"{where}: {measurement.seconds:7.2f} s ({moments}){own}, {measurement.throttled} × 429"


def table(head: Row, rows: Iterable[Row]) -> str:
    body = list(rows)
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(row, widths) for row in (head, rule, *body))


def _line(row: Row, widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"


def _verdicts(measured: list[Measurement], counted: list[Writes]) -> str:
    rows = [
        [
            target.what,
            str(target.size),
            f"{target.value:.2f} {target.unit}".strip(),
            f"≤ {target.limit:.2f} {target.unit}".strip(),
            "met" if target.met else "**missed**",
        ]
        for target in targets(measured, counted)
    ]
    return "### Targets\n\n" + table(["", "N", "measured", "target", ""], rows) if rows else ""


def _phase(measured: list[Measurement], phase: str) -> str:
    shown = _SHOWN[phase]
    head = [
        "N",
        phase,
        *(f"{_HEADINGS.get(milestone, milestone)}, s" for milestone in shown),
        f"{_END[phase]}, s (min–max)",
        "× floor",
        "× operator",
        "own CPU, ms/pod",
        "control plane CPU, ms/pod",
        "429s",
    ]
    rows = [
        _phase_row(measured, found)
        for size in sizes(measured)
        for name in NAMES
        if (found := select(measured, name, size, phase))
    ]
    return f"### {phase.capitalize()}\n\n{table(head, rows)}" if rows else ""


def _phase_row(measured: list[Measurement], found: list[Measurement]) -> Row:
    first = found[0]
    name, size, phase = first.contender, first.size, first.phase
    own = cpu_ms_per_pod(measured, name, size, phase)
    return [
        str(size),
        TITLES[name],
        *(_moment(found, milestone) for milestone in _SHOWN[phase]),
        _spread([measurement.seconds for measurement in found]),
        _times(ratio(measured, size, phase, of=name, to=FLOOR)),
        _times(ratio(measured, size, phase, of=name, to=OPERATOR)),
        f"{own:.2f}" if own else "",
        _middle(found, lambda measurement: measurement.cluster_cpu_ms_per_pod, "{:.1f}"),
        _middle(found, lambda measurement: measurement.throttled, "{:.0f}"),
    ]


def _moment(found: list[Measurement], milestone: Milestone) -> str:
    moments = [
        measurement.moments[milestone] for measurement in found if milestone in measurement.moments
    ]
    return f"{median(moments):.2f}" if moments else ""


def _spread(seconds: list[float]) -> str:
    middle = f"{median(seconds):.2f}"
    return middle if len(seconds) == 1 else f"{middle} ({min(seconds):.2f}–{max(seconds):.2f})"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _middle(found: list[Measurement], of: Callable[[Measurement], float], form: str) -> str:
    return form.format(median(of(measurement) for measurement in found))


def _operator(measured: list[Measurement]) -> str:
    rows = [
        [
            str(size),
            f"{peak_mib(measured, size):.0f}",
            *(_status_writes(measured, size, phase) for phase in PHASES),
            str(max(measurement.status_bytes for measurement in found)),
        ]
        for size in sizes(measured)
        if (
            found := [
                measurement
                for measurement in measured
                if (measurement.contender, measurement.size) == (OPERATOR, size)
            ]
        )
    ]
    head = ["N", "peak memory, MiB", *(f"status writes, {p}" for p in PHASES), "status, bytes"]
    return f"### The operator itself\n\n{table(head, rows)}" if rows else ""


def _status_writes(measured: list[Measurement], size: int, phase: str) -> str:
    found = select(measured, OPERATOR, size, phase)
    return _middle(found, lambda measurement: measurement.status_writes, "{:.0f}") if found else ""


def _writes(counted: list[Writes], phase: str) -> str:
    found = [writes for writes in counted if writes.phase == phase]
    if not found:
        return ""
    keys = sorted({key for writes in found for key in writes.accepted}, key=_weight(found))
    kept = [key for key in keys if any(_per_pod(writes, key) >= _RARE for writes in found)]
    rows = [[key, *(_cell(_per_pod(writes, key)) for writes in found)] for key in kept]
    rows += list(_sums(found, keys))
    head = ["agent, verb, resource", *(TITLES[writes.contender] for writes in found)]
    size = found[0].size
    return f"### Writes per pod, {phase} of {size}\n\n{table(head, rows)}"


def _sums(found: list[Writes], keys: list[str]) -> Iterator[Row]:
    everyone = (_cell(sum(_per_pod(writes, key) for key in keys)) for writes in found)
    yield ["**all together**", *everyone]
    own = [sum(_per_pod(writes, key) for key in keys if _is_own(writes, key)) for writes in found]
    yield ["**of these the contender's own**", *(_cell(writes) for writes in own)]


def _is_own(writes: Writes, key: str) -> bool:
    agent = key.partition(" ")[0]
    return agent == AGENTS.get(writes.contender, "job-controller")


def _per_pod(writes: Writes, key: str) -> float:
    return writes.accepted.get(key, 0) / writes.size


def _weight(found: list[Writes]) -> Callable[[str], float]:
    return lambda key: -max(_per_pod(writes, key) for writes in found)


def _cell(value: float) -> str:
    return f"{value:.3f}" if value else ""
