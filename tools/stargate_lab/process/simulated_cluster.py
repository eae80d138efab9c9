"""A simulated cluster: control plane, operator and trainers. Ends it, and says how to reach it."""

import sys
from pathlib import Path

from stargate_lab.cluster.control_plane import ControlPlane, planes
from stargate_lab.host.paths import RUN_DIR
from stargate_lab.process.operator_process import OperatorProcess, stop_all
from stargate_lab.process.trainer_process import TrainerProcess
from stargate_lab.toolchain import binaries


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
