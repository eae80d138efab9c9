"""`make up`: a small simulated cluster with the operator, to try things by hand."""

import time

from stargate_lab.cluster import api_keys, fleet
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.installation import install
from stargate_lab.cluster.kept_logs import explain
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.simulated_cluster import down, how_to_reach
from stargate_lab.toolchain import binaries
from stargate_lab.toolchain.go_build import elapsed


class UpError(RuntimeError):
    """The cluster did not start; the message says why and where the logs are."""


def up(name: str = "up", nodes: int = 50, gang_scheduling: bool = True) -> None:
    """Starts the cluster; it stays up until `make down`."""
    options = PlaneOptions(
        gang_scheduling=gang_scheduling, outlives_its_owner=True, api_keys=(api_keys.EXAMPLE,)
    )
    plane = ControlPlane(name, options=options)
    down(name)
    try:
        _build_up(plane, Fleet(nodes=nodes))
    except Exception as error:
        told = explain(error, plane)
        down(name)
        raise UpError(told) from error
    except BaseException:
        down(name)
        raise


def _build_up(plane: ControlPlane, machines: Fleet) -> None:
    binaries.ensure()
    started = time.monotonic()
    plane.start()
    fleet.create(machines, plane.api.credentials)
    install(plane)
    api_keys.grant(plane.api, api_keys.RESEARCHER, api_keys.user(api_keys.EXAMPLE), "default")
    operator = OperatorProcess(plane)
    operator.start()
    print(f"up in {elapsed(time.monotonic() - started)}: {machines.nodes} simulated nodes")
    print(how_to_reach(plane, operator))
