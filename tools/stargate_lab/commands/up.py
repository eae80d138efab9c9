"""`make up` and `make down`: a small simulated cluster with the operator, to try things by hand."""

import sys
import time
from pathlib import Path

from stargate_lab.cluster import api_keys, fleet
from stargate_lab.cluster.control_plane import ControlPlane, planes
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.installation import install
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.host.paths import RUN_DIR
from stargate_lab.process.operator_process import OperatorProcess, stop_all
from stargate_lab.process.trainer_process import TrainerProcess
from stargate_lab.toolchain import binaries
from stargate_lab.toolchain.go_build import elapsed


def up(name: str = "up", nodes: int = 50, gang_scheduling: bool = True) -> None:
    """Stays up until `down`, in whichever terminal."""
    options = PlaneOptions(
        gang_scheduling=gang_scheduling, outlives_its_owner=True, api_keys=(api_keys.EXAMPLE,)
    )
    plane = ControlPlane(name, options=options)
    down(name)
    try:
        _build_up(plane, Fleet(nodes=nodes))
    except BaseException:
        down(name)
        raise


def down(name: str, run_dir: Path = RUN_DIR) -> None:
    plane = ControlPlane(name, run_dir)
    TrainerProcess(plane).stop()
    stop_all(plane)
    plane.stop()


def down_all(run_dir: Path = RUN_DIR) -> list[str]:
    names = [plane.name for plane in planes(run_dir)]
    for name in names:
        down(name, run_dir)
    return names


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


def how_to_reach(plane: ControlPlane, operator: OperatorProcess) -> str:
    return f"""
  export KUBECONFIG={plane.kubeconfig}
  export PATH={binaries.bin_dir()}:{Path(sys.executable).parent}:$PATH
  kubectl get nodes
  kubectl apply -f examples/

  python examples/train_on_stargate.py
  kubectl stargate list

  the operator's log      {operator.log_path}
  the operator's metrics  http://127.0.0.1:{operator.ports.probes}/metrics
  the components' logs    {plane.logs}

`make down` ends it."""
