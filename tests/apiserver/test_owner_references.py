"""The operator needs the right to update a job's finalizers, although it never updates them.

A worker pod blocks a foreground deletion of its job. A strict cluster, like this control plane, lets a
user create such a pod only if the user may update the finalizers of its owner.
"""

from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.accounts import account_with
from tests.kit.story import eventually, manifest

RIGHT = "stargatejobs/finalizers"
REFUSED = "cannot set blockOwnerDeletion"


def operator_rules() -> list[Json]:
    roles = yaml.safe_load_all(chart.template("rbac.yaml"))
    return list(next(role for role in roles if role["kind"] == "ClusterRole")["rules"])


def create_worker(api: Api, namespace: str, job: Json) -> str:
    """Returns `created` or the API server's error."""
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    pod = {
        "metadata": {"name": "worker", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "worker", "image": "trainer"}]},
    }
    try:
        api.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return str(error)
    return "created"


@pytest.mark.parametrize(("has_right", "answer"), [(True, "created"), (False, REFUSED)])
def test_creating_worker_pods_needs_the_finalizers_right(
    plane: ControlPlane, namespace: str, tmp_path: Path, has_right: bool, answer: str
) -> None:
    rules = [rule for rule in operator_rules() if has_right or RIGHT not in rule["resources"]]
    api = account_with(plane, namespace, rules, tmp_path)
    job = plane.api.create(
        f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs", manifest()
    )

    eventually(lambda: answer in create_worker(api, namespace, job), answer)
