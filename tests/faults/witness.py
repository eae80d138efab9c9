"""A second API server on the same etcd, for tests that kill the first one and must see every write.

A restarted API server has an empty watch cache: its watchers miss the writes just before the crash.
The second API server keeps running and misses none.
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
    """The command of the first API server, with another port and another audit log."""
    running = Path(f"/proc/{plane.pids()['kube-apiserver']}/cmdline").read_text()
    own = {"--secure-port": str(port), "--audit-log-path": str(plane.directory / "witness.audit")}
    found = [argument for argument in running.split("\0") if argument]
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
