"""The operator as a separate process, under its own ServiceAccount, against a control plane.

It can be killed at any moment and started again, as in a cluster. Its pid is in a file, so that `down`
finds it after the process that started it is gone.
"""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.installation import operator_kubeconfig
from stargate_lab.host import processes
from stargate_lab.host.certificates import Certificates, issue
from stargate_lab.host.output import tail
from stargate_lab.host.paths import REPO
from stargate_lab.host.waiting import wait_until
from stargate_lab.process.operator_settings import Ports, environment

READY_SECONDS = 60.0
_MODULE = "stargate_operator"


class OperatorError(RuntimeError):
    """The operator ended or did not get ready; a note holds the end of its log."""


@dataclass
class OperatorProcess:
    """One replica. `name` distinguishes replicas; `settings` are STARGATE_* variables."""

    plane: ControlPlane
    settings: Mapping[str, str] = field(default_factory=dict)
    name: str = "operator"
    ports: Ports = field(default_factory=Ports.free)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def directory(self) -> Path:
        return self.plane.directory / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig.yaml"

    @property
    def log_path(self) -> Path:
        return self.directory / "operator.log"

    @property
    def certificates(self) -> Certificates:
        names = ("ca.crt", "tls.crt", "tls.key")
        return Certificates(*(self.directory / "certificates" / name for name in names))

    @property
    def reports_url(self) -> str:
        return f"https://127.0.0.1:{self.ports.reports}"

    @property
    def pid(self) -> int:
        """The process id; 0 if it does not run."""
        pid = int(self._pid_file.read_text()) if self._pid_file.exists() else 0
        return pid if pid and processes.is_running(pid, _MODULE) else 0

    def start(self, wait: bool = True) -> None:
        """Starts or restarts; a restart keeps identity, kubeconfig, certificate, ports and log."""
        self.kill()
        self.prepare()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))
        if wait:
            self.wait_ready()

    def stop(self, grace: float = 30.0) -> None:
        """Sends SIGTERM, and SIGKILL after the grace period."""
        if not self._end(signal.SIGTERM, grace):
            self.kill()

    def kill(self) -> None:
        self._end(signal.SIGKILL, 10.0)

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        in_time = wait_until(lambda: self.is_ready() or self._exit_status is not None, timeout)
        if self._exit_status is not None:
            raise self._error(f"the operator has ended with exit status {self._exit_status}")
        if not in_time:
            reasons = ", ".join(self._probe("/readyz")[1].split("\n")).strip(", ")
            raise self._error(
                f"the operator is not ready after {timeout:g} s: {reasons or 'no answer'}"
            )

    def _error(self, message: str) -> OperatorError:
        error = OperatorError(message)
        error.add_note(self.log_tail())
        return error

    @property
    def _exit_status(self) -> int | None:
        """None while it runs, or where another process started it."""
        return self._process.poll() if self._process else None

    def is_ready(self) -> bool:
        return self._probe("/readyz")[0] == 200

    def is_live(self) -> bool:
        return self._probe("/healthz")[0] == 200

    def metrics(self) -> str:
        return _get(self.ports.probes, "/metrics")[1]

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all samples of that name that carry those labels."""
        families = text_string_to_metric_families(self.metrics())
        samples = (sample for family in families for sample in family.samples)
        return sum(
            s.value for s in samples if s.name == name and labels.items() <= s.labels.items()
        )

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pid)

    def peak_rss_bytes(self) -> int:
        return processes.peak_rss_bytes(self.pid)

    def log_tail(self, lines: int = 40) -> str:
        return tail(self.log_path.read_text(errors="replace"), lines)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", _MODULE, "run", "--kubeconfig", str(self.kubeconfig)]

    @property
    def _environment(self) -> dict[str, str]:
        """The caller's environment without its STARGATE_* and KUBE* variables, and with ours."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("STARGATE_", "KUBE"))}
        ours = environment(self.ports, self.certificates, self.name, self.settings)
        return {**outer, "PYTHONPATH": str(REPO / "operator"), "PYTHONUNBUFFERED": "1", **ours}

    def prepare(self) -> None:
        """Writes its kubeconfig and certificate, which a caller may change before the start."""
        if self.kubeconfig.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        issue(self.directory / "certificates")
        operator_kubeconfig(self.plane, self.kubeconfig)

    def _end(self, number: signal.Signals, seconds: float) -> bool:
        pid = self.pid
        gone = not pid or processes.end(pid, _MODULE, number, seconds)
        if gone and self._process:
            self._process.wait()
        return gone

    def _probe(self, path: str) -> tuple[int, str]:
        """The HTTP status and the body; status 0 if there is no answer."""
        try:
            return _get(self.ports.probes, path)
        except (OSError, http.client.HTTPException):
            return 0, ""


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def stop_all(plane: ControlPlane) -> None:
    """Kills every replica that has a pid file in the plane's directory, no matter who started it."""
    for pid_file in sorted(plane.directory.glob("*/pid")):
        OperatorProcess(plane, name=pid_file.parent.name).kill()


def pids(plane: ControlPlane) -> list[int]:
    """Pid files of the operators that were started on the plane; some may have ended."""
    return [int(text) for file in plane.directory.glob("*/pid") if (text := file.read_text())]


@contextmanager
def running(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    try:
        operator.start()
        yield operator
    finally:
        operator.stop()
