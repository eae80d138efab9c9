"""A second API server on a plane's etcd, for those who must see what happens when the first is killed.

An API server that comes back has no history: whoever watched it cannot tell what was written in the
last moment before. A second one never went away.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.host.ports import free_ports

READY_SECONDS = 60.0


@contextmanager
def a_second_apiserver(plane: ControlPlane) -> Iterator[Api]:
    port = free_ports(1)[0]
    credentials = replace(plane.api.credentials, server=f"https://127.0.0.1:{port}")
    with (plane.directory / "witness.log").open("ab") as log:
        process = subprocess.Popen(_command(plane, port), stdout=log, stderr=subprocess.STDOUT)
    try:
        api = Api(credentials)
        _wait_ready(api)
        yield api
    finally:
        process.kill()
        process.wait()


def _command(plane: ControlPlane, port: int) -> list[str]:
    """The first one's, with a port and an audit log of its own."""
    running = Path(f"/proc/{plane.pids()['kube-apiserver']}/cmdline").read_text()
    own = {"--secure-port": str(port), "--audit-log-path": str(plane.directory / "witness.audit")}
    found = [each for each in running.split("\0") if each]
    return [f"{name}={own.get(name, value)}" if _ else name for name, _, value in _parts(found)]


def _parts(arguments: list[str]) -> list[tuple[str, str, str]]:
    return [argument.partition("=") for argument in arguments]


def _wait_ready(api: Api) -> None:
    until = time.monotonic() + READY_SECONDS
    while not _is_ready(api):
        assert time.monotonic() < until, "the second API server is not ready"
        time.sleep(0.1)


def _is_ready(api: Api) -> bool:
    try:
        return api.text("/readyz") == "ok"
    except (OSError, ApiError):
        return False
