"""The chart's admission policies, flow schema and roles, as a real API server applies them."""

import http.client
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from stargate_lab.cluster import installation
from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.installation import NAMESPACE
from tests.apiserver.specs import GOOD
from tests.kit.accounts import account_with
from tests.kit.fixtures import policies

__all__ = ["policies"]

OPERATOR = f"system:serviceaccount:{NAMESPACE}:stargate-operator"

WORKER = {f"stargate.dev/{key}": "1" for key in ("attempt", "rank", "shard")} | {
    "stargate.dev/job-name": "materia",
    "stargate.dev/job-uid": "1b4e28ba",
}

EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}

SECONDS = 30.0


pytestmark = pytest.mark.usefixtures("policies")


@pytest.fixture(scope="module")
def operator_api(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Api:
    folder = tmp_path_factory.mktemp("operator")
    return Api.of(installation.operator_kubeconfig(plane, folder / "kubeconfig.yaml"))


@pytest.fixture
def tenant(plane: ControlPlane, namespace: str, tmp_path: Path) -> Api:
    """A tenant to whom RBAC allows everything in their namespace."""
    return admin_of(plane, namespace, tmp_path)


def admin_of(plane: ControlPlane, namespace: str, folder: Path) -> Api:
    return account_with(plane, namespace, [EVERYTHING], folder)


def refusal(request: Callable[[], Any]) -> str:
    """The refusal of the request. A new policy takes effect after a moment, so this retries."""
    until = monotonic() + SECONDS
    error = refused(request)
    while not error:
        assert monotonic() < until, "the policy never refused the request"
        sleep(0.1)
        error = refused(request)
    assert error.startswith("403"), error
    assert "ValidatingAdmissionPolicy" in error
    return error


def refused(request: Callable[[], Any]) -> str:
    """The error of the request; empty if it succeeds."""
    try:
        request()
    except ApiError as error:
        return str(error)
    return ""


def pod(name: str, **labels: str) -> Json:
    container = {
        "name": "c",
        "image": "i",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "containers": [container],
        "securityContext": security,
        "terminationGracePeriodSeconds": 0,
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
def job(plane: ControlPlane, namespace: str) -> str:
    """The path of a new job."""
    jobs = f"/apis/stargate.dev/v1alpha1/namespaces/{namespace}/stargatejobs"
    plane.api.create(jobs, GOOD["StargateJob"])
    return f"{jobs}/{GOOD['StargateJob']['metadata']['name']}"


SUCCEEDED = {"status": {"phase": "Succeeded"}}


def test_tenant_s_write_to_job_status_is_refused(tenant: Api, job: str) -> None:
    error = refusal(lambda: tenant.patch(f"{job}/status", SUCCEEDED))
    assert f"{OPERATOR} alone writes it (you are system:serviceaccount:" in error
    assert refused(lambda: tenant.patch(f"{job}/status", {"status": {"phase": "Failed"}}))
    assert tenant.get(job).get("status", {}).get("phase") != "Failed"


def test_operator_s_write_to_job_status_is_accepted(
    operator_api: Api, tenant: Api, job: str
) -> None:
    refusal(lambda: tenant.patch(f"{job}/status", SUCCEEDED))
    body = operator_api.get(job) | SUCCEEDED
    assert operator_api.replace(f"{job}/status", body)["status"]["phase"] == "Succeeded"


def test_tenant_may_change_spec_of_own_job(tenant: Api, job: str) -> None:
    assert tenant.patch(job, {"spec": {"suspend": True}})["spec"]["suspend"]


def test_exempt_user_may_write_job_status(plane: ControlPlane, job: str) -> None:
    assert plane.api.patch(f"{job}/status", SUCCEEDED)["status"]["phase"] == "Succeeded"


@pytest.fixture
def block(plane: ControlPlane) -> Iterator[Callable[[str], str]]:
    """Creates blocks with the given accounting and returns their paths."""
    path = "/apis/stargate.dev/v1alpha1/computeblocks"
    made = []

    def make(accounting: str) -> str:
        name = f"row-{uuid4().hex[:6]}"
        plane.api.create(
            path,
            {
                "apiVersion": "stargate.dev/v1alpha1",
                "kind": "ComputeBlock",
                "metadata": {"name": name},
                "spec": {"accounting": accounting, "nodeSelector": {"none": "such"}},
            },
        )
        made.append(f"{path}/{name}")
        return made[-1]

    yield make
    for created in made:
        plane.api.delete(created)


@pytest.fixture
def measuring_tool(plane: ControlPlane, namespace: str, tmp_path: Path) -> Api:
    rule = {"apiGroups": ["stargate.dev"], "resources": ["computeblocks/status"], "verbs": ["*"]}
    return account_with(plane, namespace, [rule], tmp_path, everywhere=True)


MEASURED = {"status": {"observedTime": "2026-01-02T03:04:05Z", "accelerators": []}}


def test_tool_writes_status_of_external_blocks_only(
    measuring_tool: Api, block: Callable[[str], str]
) -> None:
    counted = block("Operator")
    error = refusal(lambda: measuring_tool.patch(f"{counted}/status", MEASURED))
    assert "spec.accounting" in error
    written = measuring_tool.patch(f"{block('External')}/status", MEASURED)
    assert written["status"]["observedTime"] == MEASURED["status"]["observedTime"]


def labelled(key: str, value: str | None) -> Json:
    return {"metadata": {"labels": {f"stargate.dev/{key}": value}}}


def test_tenant_s_pod_with_worker_labels_is_refused(tenant: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    error = refusal(lambda: tenant.create(pods, pod(f"fake-{uuid4().hex[:6]}", **WORKER)))
    assert "make a pod a worker of a job" in error
    tenant.create(pods, pod("mine", app="mine"))
    assert "make a pod a worker" in refusal(
        lambda: tenant.patch(f"{pods}/mine", {"metadata": {"labels": WORKER}})
    )


def binding_of(pod: str, **labels: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod, "labels": labels},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n"},
    }


def test_tenant_cannot_label_pods_through_subresources(tenant: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    tenant.create(pods, pod("late", app="mine"))
    labels = {"metadata": {"labels": WORKER}}
    assert "make a pod a worker" in refusal(lambda: tenant.patch(f"{pods}/late/status", labels))
    binding = binding_of("late", **labels["metadata"]["labels"])
    for path in (f"{pods}/late/binding", f"/api/v1/namespaces/{namespace}/bindings"):
        assert "copies the labels" in refusal(partial(tenant.create, path, binding))
    found = tenant.get(f"{pods}/late")["metadata"]["labels"]
    assert not set(found) & set(WORKER)


def test_status_and_place_of_worker_may_change(
    operator_api: Api, tenant: Api, namespace: str
) -> None:
    """The kubelet and the scheduler are no exempt users: they write both of every worker."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    refusal(lambda: tenant.create(pods, pod("forged", **WORKER)))
    operator_api.create(pods, pod("rank-2", **WORKER))
    tenant.create(f"{pods}/rank-2/binding", binding_of("rank-2"))
    changed = tenant.patch(f"{pods}/rank-2/status", {"status": {"phase": "Running"}})
    assert changed["status"]["phase"] == "Running"
    assert changed["spec"]["nodeName"] == "n"


def test_tenant_cannot_change_rank_of_operator_s_pod(
    operator_api: Api, tenant: Api, namespace: str
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    operator_api.create(pods, pod("rank-1", **WORKER))
    refusal(lambda: tenant.patch(f"{pods}/rank-1", labelled("rank", "0")))
    refusal(lambda: tenant.patch(f"{pods}/rank-1", labelled("job-uid", None)))
    annotated = {"metadata": {"annotations": {"a": "b"}, "labels": {"team": "a"}}}
    assert tenant.patch(f"{pods}/rank-1", annotated)["metadata"]["labels"]["team"] == "a"
    tenant.delete(f"{pods}/rank-1")


def test_only_operator_may_label_a_leader_pod(
    plane: ControlPlane, operator_api: Api, tmp_path: Path
) -> None:
    insider = admin_of(plane, NAMESPACE, tmp_path)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    name = f"replica-{uuid4().hex[:6]}"
    insider.create(path, pod(name))
    error = refusal(lambda: insider.patch(f"{path}/{name}", labelled("leader", "true")))
    assert "stargate.dev/leader brings every worker's report to a pod" in error
    leader = operator_api.patch(f"{path}/{name}", labelled("leader", "true"))
    assert leader["metadata"]["labels"]["stargate.dev/leader"] == "true"
    insider.delete(f"{path}/{name}")


def flow_of(api: Api, path: str) -> str:
    """The UID of the FlowSchema that the server used for the request."""
    connection = http.client.HTTPSConnection(
        urlsplit(api.credentials.server).netloc, context=api.credentials.ssl
    )
    try:
        connection.request("GET", path, headers=api.credentials.headers)
        return str(connection.getresponse().headers["X-Kubernetes-PF-FlowSchema-UID"])
    finally:
        connection.close()


def test_lease_requests_have_their_own_flow_schema(plane: ControlPlane, operator_api: Api) -> None:
    schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    ours = plane.api.get(f"{schemas}/stargate-operator-lease")["metadata"]["uid"]
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/stargate-operator"
    until = monotonic() + SECONDS
    while flow_of(operator_api, leases) != ours:
        assert monotonic() < until, "requests for the lease do not use their own flow schema"
        sleep(0.2)
    assert flow_of(operator_api, "/api/v1/nodes") != ours


MAY = {
    "admin": ("get", "create", "delete"),
    "edit": ("get", "create", "delete"),
    "view": ("get",),
}


@pytest.mark.parametrize("role", MAY)
def test_namespace_role_grants_access_to_its_jobs(
    plane: ControlPlane, namespace: str, role: str
) -> None:
    name = f"person-{role}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    meta = {"metadata": {"name": name}}
    subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    plane.api.create(rbac, {**meta, "roleRef": ref, "subjects": [subject]})
    verbs = ("get", "create", "delete")
    allowed = {verb: may(plane, name, verb, "stargatejobs", namespace) for verb in verbs}
    assert allowed == {verb: verb in MAY[role] for verb in verbs}
    assert not may(plane, name, "update", "stargatejobs/status", namespace)


def may(plane: ControlPlane, user: str, verb: str, resource: str, namespace: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = {
        "verb": verb,
        "group": "stargate.dev",
        "resource": name,
        "subresource": subresource,
        "namespace": namespace,
    }
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    answer = plane.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])
