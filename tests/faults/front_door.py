"""The report Service of the chart as workers use it, with simulated pods behind it.

The replicas are local processes, and kwok simulates a pod of the same name for each. The leader's
label, the Service's selector and its EndpointSlices are therefore real. Only kube-proxy is replaced:
each connection goes to the replica whose pod the EndpointSlices list at that moment.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stargate_lab.cluster import chart, fleet, installation
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.installation import NAMESPACE
from tests.kit.story import eventually

MACHINES = Fleet(nodes=2, prefix="platform")
_SERVICE = "stargate-operator-reports"
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
_CHUNK = 1 << 16


@contextmanager
def operator_pods(plane: ControlPlane) -> Iterator[list[str]]:
    """Names of the simulated running pods of the chart's Deployment."""
    manifests = chart.template("deployment.yaml", "service.yaml")
    fleet.create(MACHINES, plane.api.credentials)
    installation.apply_text(plane, manifests)
    try:
        yield eventually(lambda: _running(plane), "the operator's pods")
    finally:
        installation.kubectl(plane, "delete", "--wait=false", "-f", "-", stdin=manifests)
        fleet.delete(MACHINES, plane.api.credentials)


def _running(plane: ControlPlane) -> list[str]:
    """The names of both pods, or an empty list until both run."""
    found = plane.api.get(f"{_CORE}/pods?labelSelector=app.kubernetes.io/name={chart.NAME}")[
        "items"
    ]
    running = [pod["metadata"]["name"] for pod in found if pod["status"]["phase"] == "Running"]
    return running if len(running) == 2 else []


def behind_the_service(plane: ControlPlane) -> list[str]:
    """Names of the pods that the report Service's EndpointSlices list."""
    selector = f"labelSelector=kubernetes.io/service-name={_SERVICE}"
    slices = plane.api.get(f"{_SLICES}?{selector}")["items"]
    endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or []]
    return [each["targetRef"]["name"] for each in endpoints if each["conditions"]["ready"]]


class _Door(socketserver.ThreadingTCPServer):
    """A TCP proxy. `behind` returns the port of the replica behind the Service, or 0 without one."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behind: Callable[[], int]) -> None:
        self.behind = behind
        super().__init__(("127.0.0.1", 0), _Visit)


class _Visit(socketserver.BaseRequestHandler):
    server: _Door

    def handle(self) -> None:
        port = self.server.behind()
        if not port:
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inside:
            back = threading.Thread(target=_carry, args=(inside, self.request), daemon=True)
            back.start()
            _carry(self.request, inside)
            back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def front_door(plane: ControlPlane, ports: Callable[[str], int]) -> Iterator[str]:
    """The URL of the proxy. `ports` returns the report port of the replica with a given pod name."""

    def behind() -> int:
        names = behind_the_service(plane)
        return ports(names[0]) if names else 0

    with _Door(behind) as door:
        threading.Thread(target=door.serve_forever, name="front door", daemon=True).start()
        yield f"https://127.0.0.1:{door.server_address[1]}"
        door.shutdown()
