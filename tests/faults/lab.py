"""A control plane, its audit log, and an operator that reaches it directly or through a tap."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import yaml

from stargate_lab.cluster import installation
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.kwok_config import PlaneOptions
from stargate_lab.host.paths import REPO
from stargate_lab.process.operator_process import OperatorProcess
from tests.faults.tap import Tap, tapping
from tests.kit.recorder import audit

SLOWER = 2.0
"""Factor by which a status may be later than in other tests: large gangs keep two cores busy."""

PATIENT = {
    "STARGATE_LEASE_DURATION_SECONDS": "45",
    "STARGATE_LEASE_RENEW_DEADLINE_SECONDS": "40",
    "STARGATE_NODE_LOST_SECONDS": "3",
}
"""On two busy cores a killed API server returns after 10 s. The leader must keep its lease."""

_numbers = count()


@dataclass
class Lab:
    plane: ControlPlane
    audit_log: Path
    tap: Tap
    operator: OperatorProcess = field(init=False)

    def __post_init__(self) -> None:
        self.operator = OperatorProcess(self.plane, PATIENT)
        self.operator.prepare()
        self._ways = {
            False: self.operator.kubeconfig.read_text(),
            True: rerouted(self.operator.kubeconfig.read_text(), self.tap.url),
        }

    def run_operator(self, *, tapped: bool) -> None:
        """Start the operator; restart it if it uses the wrong connection, direct or through the tap."""
        way = self._ways[tapped]
        if self.operator.pid and self.operator.kubeconfig.read_text() == way:
            return
        self.operator.stop()
        self.operator.kubeconfig.write_text(way)
        self.operator.start()

    def another_operator(
        self, name: str, settings: Mapping[str, str], tap: Tap | None = None
    ) -> OperatorProcess:
        """A further operator. It reaches the API server through `tap`, if one is given."""
        operator = OperatorProcess(self.plane, settings, name)
        operator.prepare()
        if tap is not None:
            operator.kubeconfig.write_text(rerouted(operator.kubeconfig.read_text(), tap.url))
        return operator


def rerouted(kubeconfig: str, url: str) -> str:
    config = yaml.safe_load(kubeconfig)
    config["clusters"][0]["cluster"] = {"server": url}
    return yaml.safe_dump(config)


@contextmanager
def a_lab(
    directory: Path, *, gang_scheduling: bool = False, streamed_lists: bool = True
) -> Iterator[Lab]:
    """A control plane with the catalog and no nodes: each test adds its own."""
    gates = () if streamed_lists else (("feature-gates", "WatchList=false"),)
    options = PlaneOptions(
        gang_scheduling=gang_scheduling, apiserver_args=(*audit.flags(directory), *gates)
    )
    name = f"faults-{os.getpid()}-{next(_numbers)}"
    with running(ControlPlane(name, options=options)) as plane:
        installation.install(plane)
        installation.apply(plane, REPO / "examples" / "catalog.yaml")
        with tapping(plane.kubeconfig) as tap:
            lab = Lab(plane, audit.log_in(directory), tap)
            try:
                yield lab
            finally:
                lab.operator.stop()
