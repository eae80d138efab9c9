"""The cost of the demo's processes, read once a second.

The operator's numbers come from its /metrics, the CPU time of the other processes from the kernel.
"""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from stargate_lab.cluster.api import ApiError
from stargate_lab.cluster.control_plane import COMPONENTS, ControlPlane
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.trainer_process import TrainerProcess

SECONDS = 1.0
T = TypeVar("T")
_READ_ERRORS = (OSError, http.client.HTTPException, ValueError, KeyError, ApiError)


@dataclass(frozen=True)
class Reading:
    """The numbers at one moment. Counters start at zero with their process."""

    at: float = 0.0
    nodes: int = 0
    operator_cpu: float = 0.0
    operator_rss: float = 0.0
    operator_peak_rss: float = 0.0
    requests: float = 0.0
    throttled: float = 0.0
    reports: float = 0.0
    reports_refused: float = 0.0
    trainer_cpu: float = 0.0
    plane_cpu: float = 0.0


@dataclass(frozen=True)
class Gauges:
    """The last two readings, which give values and rates."""

    before: Reading = field(default_factory=Reading)
    now: Reading = field(default_factory=Reading)

    def rate(self, counter: Callable[[Reading], float]) -> float:
        """Rate per second; 0 when a process does not run or has just been restarted."""
        seconds = self.now.at - self.before.at
        if not self.before.at or seconds <= 0:
            return 0.0
        return max(0.0, counter(self.now) - counter(self.before)) / seconds

    def after(self, reading: Reading) -> "Gauges":
        return Gauges(self.now, reading)


class Meter:
    """Reads in a thread until it is stopped; a reading that fails repeats the last numbers."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.operator: OperatorProcess | None = None
        self.trainer: TrainerProcess | None = None
        self.gauges = Gauges()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS):
            self.gauges = self.gauges.after(self._read(self.gauges.now))

    def _read(self, last: Reading) -> Reading:
        operator, nothing = self.operator, dict[str, float]()
        counted = _or(nothing, lambda: _counted(operator.metrics())) if operator else nothing
        return Reading(
            at=time.time(),
            nodes=_or(last.nodes, lambda: _nodes(self._plane)),
            operator_cpu=counted.get("process_cpu_seconds_total", last.operator_cpu),
            operator_rss=counted.get("process_resident_memory_bytes", last.operator_rss),
            operator_peak_rss=(operator.peak_rss_bytes() if operator else 0)
            or last.operator_peak_rss,
            requests=counted.get("stargate_api_requests_total", last.requests),
            throttled=counted.get("stargate_api_throttled_total", last.throttled),
            reports=counted.get("reports taken", last.reports),
            reports_refused=counted.get("reports refused", last.reports_refused),
            trainer_cpu=(self.trainer.cpu_seconds() if self.trainer else 0) or last.trainer_cpu,
            plane_cpu=_or(last.plane_cpu, lambda: sum(map(self._plane.cpu_seconds, COMPONENTS))),
        )


def _or(otherwise: T, read: Callable[[], T]) -> T:
    try:
        return read()
    except _READ_ERRORS:
        return otherwise


def _counted(exposition: str) -> dict[str, float]:
    """Each metric summed over its labels; reports are counted as taken or refused."""
    sums: dict[str, float] = {}
    families = text_string_to_metric_families(exposition)
    for sample in (sample for family in families for sample in family.samples):
        sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        if sample.name == "stargate_reports_total":
            taken = "reports taken" if sample.labels["code"] == "200" else "reports refused"
            sums[taken] = sums.get(taken, 0.0) + sample.value
    return sums


def _nodes(plane: ControlPlane) -> int:
    """The number of nodes, counted by the server: a list of 5,000 nodes has 10 MB."""
    listed = plane.api.get("/api/v1/nodes?limit=1")
    return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))
