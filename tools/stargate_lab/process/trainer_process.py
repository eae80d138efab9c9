"""The simulated trainers as a separate process, so that their CPU time can be measured."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.host import processes
from stargate_lab.host.paths import REPO
from stargate_lab.workload.training import Behaviour, Json

_MARKER = "stargate_lab trainer"


@dataclass
class TrainerProcess:
    plane: ControlPlane
    behaviour: Behaviour = field(default_factory=Behaviour)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def directory(self) -> Path:
        return self.plane.directory / "trainer"

    @property
    def log_path(self) -> Path:
        return self.directory / "trainer.log"

    @property
    def pid(self) -> int:
        """The process id; 0 if it does not run."""
        pid = int(self._pid_file.read_text()) if self._pid_file.exists() else 0
        return pid if pid and processes.is_running(pid, _MARKER) else 0

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stargate_lab", "trainer", *self._arguments],
                cwd=self.directory,
                env={"PYTHONPATH": f"{REPO / 'operator'}:{REPO / 'tools'}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))

    def stop(self) -> None:
        """Kills the process, which has no state to lose."""
        pid = self.pid
        if pid:
            processes.end(pid, _MARKER, signal.SIGKILL)
        if self._process:
            self._process.wait()

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pid)

    def events(self) -> list[Json]:
        """All events of the trainers so far, without a line that is not complete yet."""
        if not self.log_path.exists():
            return []
        lines = self.log_path.read_text(errors="replace").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    @property
    def _arguments(self) -> list[str]:
        behaviour = self.behaviour
        flags = ["--kubeconfig", str(self.plane.kubeconfig)]
        flags += ["--epoch-seconds", str(behaviour.epoch_seconds)]
        flags += [f"--fault={fault}" for fault in behaviour.faults]
        if behaviour.silent_after_epoch is not None:
            flags += ["--silent-after-epoch", str(behaviour.silent_after_epoch)]
        if behaviour.only_rank_zero_reports:
            flags += ["--only-rank-zero-reports"]
        return flags
