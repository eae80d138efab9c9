"""`examples/train_on_stargate.py`, unchanged, in its own process, as a reader of the article runs it.

The API server knows the key.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from stargate_lab.cluster import api_keys
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.host.paths import REPO
from tests.kit.blocks import CAPACITY
from tests.kit.blocks import PATH as BLOCKS

EXAMPLE = REPO / "examples" / "train_on_stargate.py"


def run(plane: ControlPlane, namespace: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if "KUBE" not in name}
    access = {
        "STARGATE_ENDPOINT": plane.api.credentials.server,
        "STARGATE_CA_FILE": str(plane.ca_file),
        "STARGATE_NAMESPACE": namespace,
        "PYTHONPATH": str(REPO / "operator"),
    }
    return subprocess.run(
        [sys.executable, str(EXAMPLE)],
        env={**inherited, **access},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def near_block(plane: ControlPlane) -> Iterator[None]:
    """A block with 120 free nodes and a latency of 3 ms."""
    name = f"block-{uuid4().hex[:6]}"
    body = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "ComputeBlock",
        "metadata": {"name": name},
        "spec": {"maxLatencyMs": 3},
    }
    plane.api.create(BLOCKS, body)
    plane.api.patch(f"{BLOCKS}/{name}/status", {"status": {"accelerators": [CAPACITY]}})
    yield
    plane.api.delete(f"{BLOCKS}/{name}")


@pytest.mark.usefixtures("near_block")
def test_example_makes_the_article_s_four_calls(plane: ControlPlane, namespace: str) -> None:
    api_keys.grant(plane.api, api_keys.RESEARCHER, api_keys.user(api_keys.EXAMPLE), namespace)

    done = run(plane, namespace)

    assert done.returncode == 0, done.stderr
    submitted, state, progress, blocks = done.stdout.splitlines()
    job_id = submitted.removeprefix("Job submitted: ")
    assert re.fullmatch(f"{namespace}/stargate-materia-v3-[a-z2-7]{{8}}", job_id)
    assert state in ("State: Pending", "State: Starting")
    assert progress == "Progress: 0 %"
    assert int(blocks.rpartition(" ")[2]) >= 1
    stored = plane.api.get(
        f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs/"
        + job_id.rpartition("/")[2]
    )
    assert stored["spec"]["resourceAllocation"]["nodes"] == 5000


def test_example_without_rights_prints_the_refusal(plane: ControlPlane, namespace: str) -> None:
    done = run(plane, namespace)

    assert done.returncode == 1
    assert f"researcher may not create stargatejobs in namespace {namespace}" in done.stderr
    assert done.stdout == ""
