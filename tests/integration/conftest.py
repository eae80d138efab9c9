"""One real control plane for all integration tests, and a fresh namespace for each."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from stargate_lab.api import Api
from stargate_lab.control_plane import ControlPlane, running

REPO = Path(__file__).parents[2]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply_crds(api: Api) -> None:
    """Returns once every kind is served."""
    for file in sorted((REPO / "crds").iterdir()):
        definition = yaml.safe_load(file.read_text())
        path = f"{DEFINITIONS}/{definition['metadata']['name']}"
        api.apply(path, definition)
        while not _is_established(api.get(path)):
            time.sleep(0.05)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition["status"].get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with running(ControlPlane(f"test-{os.getpid()}")) as plane:
        apply_crds(plane.api)
        yield plane


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    plane.api.delete(f"/api/v1/namespaces/{name}")
