"""Why the operator may update a job's finalizers, which it never does.

A worker pod holds back a foreground deletion of its job. Strict clusters (this plane is one) let only
those make such a pod who may also update the finalizers of its owner.
"""

from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart, installation
from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.story import eventually, manifest

RIGHT = "stargatejobs/finalizers"
REFUSED = "cannot set blockOwnerDeletion"


def operator_rules() -> list[Json]:
    roles = yaml.safe_load_all(chart.template("rbac.yaml"))
    return list(next(each for each in roles if each["kind"] == "ClusterRole")["rules"])


def person(plane: ControlPlane, namespace: str, rules: list[Json], to: Path) -> Api:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"}
    subject = {"kind": "ServiceAccount", "name": "some", "namespace": namespace}
    core = f"/api/v1/namespaces/{namespace}"
    plane.api.create(f"{core}/serviceaccounts", {"metadata": {"name": "some"}})
    plane.api.create(f"{rbac}/roles", {"metadata": {"name": "some"}, "rules": rules})
    binding = {"metadata": {"name": "some"}, "roleRef": reference, "subjects": [subject]}
    plane.api.create(f"{rbac}/rolebindings", binding)
    return Api.of(installation.service_account_kubeconfig(plane, namespace, "some", to))


def creates_a_worker(api: Api, namespace: str, job: Json) -> str:
    """What the API server says to that."""
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


@pytest.mark.parametrize(("has_it", "answer"), [(True, "created"), (False, REFUSED)])
def test_creating_worker_pods_needs_the_finalizers_right(
    plane: ControlPlane, namespace: str, tmp_path: Path, has_it: bool, answer: str
) -> None:
    rules = [each for each in operator_rules() if has_it or RIGHT not in each["resources"]]
    api = person(plane, namespace, rules, tmp_path / "kubeconfig")
    job = plane.api.create(
        f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs", manifest()
    )

    eventually(lambda: answer in creates_a_worker(api, namespace, job), answer)
