"""Simulated kubelets treat pods as real kubelets do, with few writes. All other tests rely on it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import ANY

import pytest

from stargate_lab.cluster import fleet
from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.fleet import Fleet

Pod = dict[str, Any]
MACHINES = Fleet(nodes=2, prefix="kubelet", labels={"test": "kubelet"})


@pytest.fixture(scope="module", autouse=True)
def machines(plane: ControlPlane) -> Iterator[None]:
    fleet.create(MACHINES, plane.api.credentials)
    yield
    fleet.delete(MACHINES, plane.api.credentials)


@pytest.fixture
def api(plane: ControlPlane) -> Api:
    return plane.api


@pytest.fixture
def path(api: Api, namespace: str) -> str:
    """The path of a running pod."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    api.create(pods, pod())
    wait(lambda: api.get(f"{pods}/p")["status"]["phase"] == "Running")
    return f"{pods}/p"


def pod() -> Pod:
    container = {
        "name": "trainer",
        "image": "none",
        "resources": {"limits": {MACHINES.resource: 8}},
    }
    return {
        "metadata": {"name": "p"},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "nodeSelector": {"test": "kubelet"},
            "containers": [container],
        },
    }


def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"the condition was not met within {seconds:g} s"
        time.sleep(0.02)


def is_gone(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except ApiError as error:
        return error.status == 404
    return False


def test_every_node_of_a_fleet_is_ready(api: Api) -> None:
    nodes = api.get("/api/v1/nodes?labelSelector=test=kubelet")["items"]

    assert len(nodes) == MACHINES.nodes
    assert all(n["status"]["allocatable"][MACHINES.resource] == "8" for n in nodes)
    assert not any(n["spec"].get("taints") for n in nodes)


def test_pod_becomes_ready_in_one_kubelet_write(api: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    created = api.create(pods, pod())["metadata"]["resourceVersion"]

    bound, running = versions_after(api, pods, created)

    assert (bound["spec"]["nodeName"], bound["status"]["phase"]) == (ANY, "Pending")
    assert running["status"]["phase"] == "Running"
    assert running["status"]["podIP"]
    assert ready(running)


def versions_after(api: Api, pods: str, version: str) -> list[Pod]:
    """Every version that is written in the next three seconds."""
    events = api.text(f"{pods}?watch=1&resourceVersion={version}&timeoutSeconds=3")
    return [json.loads(line)["object"] for line in events.splitlines()]


def ready(observed: Pod) -> bool:
    conditions = observed["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_terminal_pod_phase_does_not_change(api: Api, path: str, phase: str) -> None:
    api.patch(f"{path}/status", {"status": {"phase": phase}})
    time.sleep(0.5)

    assert api.get(path)["status"]["phase"] == phase


def test_deleted_running_pod_ends_after_its_grace(api: Api, path: str) -> None:
    deleted = time.monotonic()
    api.delete(path)
    wait(lambda: is_gone(api, path))

    # the API server truncates the deadline to whole seconds
    assert 0.9 < time.monotonic() - deleted < 3.5


def test_deleted_finished_pod_is_gone_at_once(api: Api, path: str) -> None:
    api.patch(f"{path}/status", {"status": {"phase": "Failed"}})
    deleted = time.monotonic()
    api.delete(path)
    wait(lambda: is_gone(api, path))

    assert time.monotonic() - deleted < 0.9


def test_half_done_deletion_of_pod_is_completed(api: Api, namespace: str) -> None:
    """The server writes twice. A client that disconnects in between leaves the deletion half done."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with no_second_write(api, namespace):
        left = half_deleted(api, pods)["metadata"]
    assert (left["deletionTimestamp"], left["deletionGracePeriodSeconds"]) == (ANY, 0)

    wait(lambda: is_gone(api, f"{pods}/{left['name']}"))


@contextmanager
def no_second_write(api: Api, namespace: str) -> Iterator[None]:
    """A policy refuses the deletion of a pod that is already marked as being deleted."""
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    bindings = f"{policies.removesuffix('policies')}policybindings"
    rule = {
        "operations": ["DELETE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods"],
    }
    unmarked = "!has(oldObject.metadata.deletionTimestamp)"
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": unmarked}],
    }
    there = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": there},
    }
    api.create(policies, {"metadata": {"name": namespace}, "spec": policy})
    api.create(bindings, {"metadata": {"name": namespace}, "spec": binding})
    try:
        yield
    finally:
        api.delete(f"{bindings}/{namespace}")
        api.delete(f"{policies}/{namespace}")


def half_deleted(api: Api, pods: str) -> Pod:
    """Deletes pods until one stays: the policy takes effect after a moment."""
    for number in range(200):
        api.create(pods, {**pod(), "metadata": {"name": f"half-{number}"}})
        with suppress(ApiError):
            api.delete(f"{pods}/half-{number}", {"gracePeriodSeconds": 0})
        if left := api.get(pods)["items"]:
            return dict(left[0])
        time.sleep(0.1)
    raise AssertionError("the policy never took effect")


def test_pod_token_is_bound_to_pod_and_audience(api: Api, path: str, namespace: str) -> None:
    uid = api.get(path)["metadata"]["uid"]
    token = issue_token(api, namespace, uid)

    user = review(api, token, "stargate.dev")["user"]

    assert user["extra"]["authentication.kubernetes.io/pod-uid"] == [uid]
    assert not review(api, token, "someone-else").get("authenticated")


def issue_token(api: Api, namespace: str, uid: str) -> str:
    spec = {
        "audiences": ["stargate.dev"],
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid},
    }
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    wait(lambda: not is_gone(api, account))
    return str(api.create(f"{account}/token", {"spec": spec})["status"]["token"])


def review(api: Api, token: str, audience: str) -> dict[str, Any]:
    body = {"spec": {"token": token, "audiences": [audience]}}
    return dict(api.create("/apis/authentication.k8s.io/v1/tokenreviews", body)["status"])
