"""A real etcd, kube-apiserver, controller-manager and scheduler, with kwok as the kubelets.

kwokctl starts the processes, and they outlive the process that called it. A plane is found again by its
directory: `ControlPlane(name).stop()` ends it, no matter who started it.
"""

import http.client
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from stargate_lab.cluster import api_keys
from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.cluster.kwok_config import PlaneOptions, flags, render
from stargate_lab.host import processes
from stargate_lab.host.output import last_lines, tail
from stargate_lab.host.paths import RUN_DIR, cache_dir
from stargate_lab.host.waiting import wait_until
from stargate_lab.toolchain import binaries

COMPONENTS = frozenset(
    {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller"}
)
READY_SECONDS = 120.0
_NOT_SERVING = (OSError, http.client.HTTPException, ssl.SSLError, ValueError, KeyError)


class ControlPlaneError(RuntimeError):
    """A component did not start or did not end; a note holds the end of the API server's log."""


@dataclass
class ControlPlane:
    """One plane. `name` is unique within `run_dir`; all its files are in `run_dir/name`."""

    name: str
    run_dir: Path = RUN_DIR
    options: PlaneOptions = field(default_factory=PlaneOptions)
    _cpu_of_dead: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def directory(self) -> Path:
        return self.run_dir / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._cluster / "kubeconfig.yaml"

    @property
    def logs(self) -> Path:
        return self._cluster / "logs"

    @property
    def ca_file(self) -> Path:
        """The CA certificate of the API server."""
        return self._cluster / "pki" / "ca.crt"

    @property
    def api(self) -> Api:
        return Api.of(self.kubeconfig)

    def start(self) -> None:
        """Ends a plane of this name that was left behind; returns when the new one is ready.

        Only one starts at a time on a machine: components give up when the API server starts slowly.
        """
        tools = binaries.ensure()
        with binaries.locked(cache_dir() / "starting"):
            self._start(tools)

    def _start(self, tools: dict[str, Path]) -> None:
        self.stop()
        self.directory.mkdir(parents=True)
        self._record_owner()
        config = self.directory / "kwokctl.yaml"
        config.write_text(render(self._options_with_keys(), tools))
        context = ["--kubeconfig", str(self.directory / "context.yaml")]
        self._kwokctl("--config", str(config), "create", "cluster", *context, *flags(self.options))
        self.wait_ready(revive=True)

    def _options_with_keys(self) -> PlaneOptions:
        options = self.options
        if not options.api_keys:
            return options
        path = api_keys.write(options.api_keys, self.directory / "api-keys.csv")
        flag = ("token-auth-file", str(path))
        return replace(options, apiserver_args=(*options.apiserver_args, flag))

    def stop(self) -> None:
        """Ends every process and deletes every file of the plane. Idempotent.

        Not through `kwokctl delete`, which trusts its pid files: an interrupted `create` may have
        started processes that it has not yet written down.
        """
        for pid in processes.running_from(self._cluster / "bin"):
            processes.end(pid, self._marker, signal.SIGKILL)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def restart_apiserver(self) -> None:
        """Kills a component and starts it with the same command line; waits for the API server."""
        self.kill("kube-apiserver")
        self.start_again()
        self.wait_ready()

    def kill(self, component: str) -> None:
        """Kills a component, which stays down until `start_again`."""
        pid = self.pids()[component]
        spent = self._cpu_of_dead.get(component, 0.0)
        self._cpu_of_dead[component] = spent + processes.cpu_seconds(pid)
        processes.end(pid, self._marker, signal.SIGKILL)

    def start_again(self) -> None:
        """Starts the components that do not run; kwokctl mistakes a zombie's pid file for a process."""
        for component in COMPONENTS - self.pids().keys():
            self._pid_file(component).unlink(missing_ok=True)
        self._kwokctl("start", "cluster")

    def wait_ready(self, timeout: float = READY_SECONDS, *, revive: bool = False) -> None:
        """`revive` starts components again that gave up before the API server served."""

        def is_ready() -> bool:
            if revive and self.pids().keys() != COMPONENTS and self._serves():
                self.start_again()
            return self._is_ready()

        if wait_until(is_ready, timeout, pause=0.1):
            return
        stopped = ", ".join(sorted(COMPONENTS - self.pids().keys()))
        error = ControlPlaneError(
            f"the control plane {self.name} is not ready after {timeout:g} s"
            + (f": {stopped} is not running" if stopped else "")
        )
        error.add_note(self.log_tail("kube-apiserver"))
        raise error

    def pids(self) -> dict[str, int]:
        """Process id by component, of the components that run."""
        found = {}
        for component in COMPONENTS:
            file = self._pid_file(component)
            pid = int(file.read_text()) if file.exists() else 0
            if pid and processes.is_running(pid, self._marker):
                found[component] = pid
        return found

    def cpu_seconds(self, component: str) -> float:
        """CPU time since the start of the plane, killed processes included."""
        pid = self.pids().get(component, 0)
        return self._cpu_of_dead.get(component, 0.0) + processes.cpu_seconds(pid)

    def peak_rss_bytes(self, component: str) -> int:
        return processes.peak_rss_bytes(self.pids().get(component, 0))

    @property
    def has_lost_its_owner(self) -> bool:
        """True if the process that started it is gone, and the plane was not meant to outlive it."""
        owner = self.directory / "owner"
        return owner.exists() and not processes.is_running(int(owner.read_text()))

    @property
    def _cluster(self) -> Path:
        return self.directory / "kwok" / "clusters" / self.name

    @property
    def _marker(self) -> str:
        return str(self._cluster)

    def _pid_file(self, component: str) -> Path:
        return self._cluster / "pids" / f"{component}.pid"

    def _record_owner(self) -> None:
        if not self.options.outlives_its_owner:
            (self.directory / "owner").write_text(str(os.getpid()))

    def _is_ready(self) -> bool:
        try:
            if not self._serves():
                return False
            self.api.get("/api/v1/namespaces/default/serviceaccounts/default")
        except (ApiError, *_NOT_SERVING):
            return False
        return len(self.pids()) == len(COMPONENTS)

    def _serves(self) -> bool:
        try:
            return self.api.text("/readyz") == "ok"
        except (ApiError, *_NOT_SERVING):
            return False

    def log_tail(self, component: str) -> str:
        """The last lines of the component's log."""
        log = self.logs / f"{component}.log"
        return tail(log.read_text(errors="replace")) if log.exists() else ""

    def _kwokctl(self, *arguments: str) -> None:
        kwokctl = binaries.bin_dir() / "kwokctl"
        env = {**os.environ, "KWOK_WORKDIR": str(self.directory / "kwok")}
        done = subprocess.run(
            [kwokctl, "--name", self.name, *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ControlPlaneError(f"kwokctl {' '.join(arguments)} failed:\n{last_lines(done)}")


def planes(run_dir: Path = RUN_DIR) -> list[ControlPlane]:
    """Every plane that has a directory, running or not."""
    if not run_dir.exists():
        return []
    found = sorted(p.name for p in run_dir.iterdir() if (p / "kwokctl.yaml").exists())
    return [ControlPlane(name, run_dir) for name in found]


def stop_orphans(run_dir: Path = RUN_DIR) -> list[str]:
    """Ends the planes whose owner was killed before it could clean up."""
    orphans = [plane for plane in planes(run_dir) if plane.has_lost_its_owner]
    for plane in orphans:
        plane.stop()
    return [plane.name for plane in orphans]


@contextmanager
def running(plane: ControlPlane) -> Iterator[ControlPlane]:
    """Stops the plane on exit, also when its start fails or is interrupted."""
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
