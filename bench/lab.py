"""Starts the control plane on which all contenders are measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel

from bench.component import ControllerManager
from bench.contenders import Arena
from bench.observer import Observer
from bench.workload import NAMESPACE, Recipe
from stargate_lab.cluster import fleet
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.cluster.installation import apply, install
from stargate_lab.host.paths import REPO
from stargate_lab.process.operator_process import OperatorProcess, stop_all
from stargate_operator.desired.environment import ReportTarget
from stargate_operator.kube.client import Client
from stargate_operator.kube.config import load_endpoint
from stargate_types import API_VERSION, AcceleratorClass, StargateRuntime

CATALOG = REPO / "examples" / "catalog.yaml"
PLANE = "bench"

T = TypeVar("T", bound=BaseModel)


@asynccontextmanager
async def arena(nodes: int, name: str = PLANE) -> AsyncIterator[Arena]:
    """Starts it without native gang scheduling, because no other contender uses it."""
    with running(ControlPlane(name)) as plane:
        operator = await asyncio.to_thread(_furnish, plane, nodes)
        try:
            async with _observing(plane) as observer:
                yield Arena(
                    plane=plane,
                    controller_manager=ControllerManager(plane),
                    observer=observer,
                    operator=operator,
                    recipe=_recipe(plane, operator),
                )
        finally:
            stop_all(plane)


def _furnish(plane: ControlPlane, nodes: int) -> OperatorProcess:
    fleet.create(Fleet(nodes=nodes), plane.api.credentials)
    install(plane)
    apply(plane, CATALOG)
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    operator = OperatorProcess(plane)
    operator.prepare()  # its kubeconfig, which the floor uses too, and the CA for the pods
    return operator


@asynccontextmanager
async def _observing(plane: ControlPlane) -> AsyncIterator[Observer]:
    client = Client(load_endpoint(plane.kubeconfig), user_agent="stargate-observer/bench")
    async with client, Observer(client, NAMESPACE).watching() as observer:
        yield observer


def _recipe(plane: ControlPlane, operator: OperatorProcess) -> Recipe:
    return Recipe(
        runtime=_found(plane, "stargateruntimes", StargateRuntime),
        accelerator=_found(plane, "acceleratorclasses", AcceleratorClass),
        target=ReportTarget(
            base_url=operator.reports_url, ca_bundle=operator.certificates.ca.read_text()
        ),
    )


def _found(plane: ControlPlane, plural: str, model: type[T]) -> T:
    [only] = plane.api.get(f"/apis/{API_VERSION}/{plural}")["items"]
    return model.model_validate(only)
