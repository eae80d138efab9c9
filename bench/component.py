"""Restarts one component of a running control plane with additional flags."""

import subprocess
from pathlib import Path

from stargate_lab.cluster.api import ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.host.waiting import wait_until

CONTROLLER_MANAGER = "kube-controller-manager"
API_SERVER = "kube-apiserver"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
_JOBS = "/apis/batch/v1/namespaces/kube-system/jobs"
_PROBE = "bench-probe"
_PROBE_SECONDS = 120.0


class Component:
    """A component that kwokctl started; its first command line is kept and extended."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self._plane = plane
        self._name = name
        self._command = _command_of(plane.pids()[name])
        self._process: subprocess.Popen[bytes] | None = None

    def restart(self, *flags: str) -> None:
        self._plane.kill(self._name)
        if self._process:
            self._process.wait()
        with (self._plane.logs / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))

    @property
    def _pid_file(self) -> Path:
        return self._plane.logs.parent / "pids" / f"{self._name}.pid"


class ControllerManager:
    """It is restarted before each contender, so that its queues are empty."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._component = Component(plane, CONTROLLER_MANAGER)

    def restart(self, *flags: str) -> None:
        """Returns when it works: it has run a Job and deleted the Job's pod."""
        self._component.restart(*flags)
        self._give_up_lease()
        self._probe()

    def _give_up_lease(self) -> None:
        """Deletes the lease of the killed process, for which the new one would wait."""
        try:
            self._plane.api.delete(f"{_LEASES}/{CONTROLLER_MANAGER}")
        except ApiError as error:
            if error.status != 404:
                raise

    def _probe(self) -> None:
        api = self._plane.api
        api.create(_JOBS, _probe_job())
        self._wait_for_pods(1)
        api.delete(f"{_JOBS}/{_PROBE}", {"propagationPolicy": "Background"})
        self._wait_for_pods(0)

    def _wait_for_pods(self, count: int) -> None:
        path = f"/api/v1/namespaces/kube-system/pods?labelSelector=job-name%3D{_PROBE}"

        def is_reached() -> bool:
            return len(self._plane.api.get(path)["items"]) == count

        if not wait_until(is_reached, _PROBE_SECONDS, pause=0.2):
            raise RuntimeError(f"{CONTROLLER_MANAGER} does not work; see {self._plane.logs}")


def _probe_job() -> dict[str, object]:
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "probe", "image": "probe"}],
    }
    return {"metadata": {"name": _PROBE}, "spec": {"template": {"spec": pod}}}


def _command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
