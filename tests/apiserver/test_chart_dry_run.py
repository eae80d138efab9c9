"""The API server accepts every object of the chart, with strict validation and no warning."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.installation import KubectlError, apply, ensure_namespace, kubectl
from tests.kit.rendered import EVERYTHING, Json, Objects, rendered

FOREIGN = Path(__file__).with_name("foreign_kinds.yaml")
NAMESPACES = ("team-a", "team-b")
OFF = """
crds: {enabled: false}
admissionPolicy: {enabled: false}
flowSchema: {enabled: false}
podDisruptionBudget: {enabled: false}
defaults: {enabled: false}
rbac: {create: false}
serviceAccount: {create: false, name: default}
certificate: {existingSecret: theirs}
topologySpreadConstraints: []
priorityClassName: ""
"""
RENDERINGS = {
    "defaults": "",
    "everything": EVERYTHING,
    "watched namespaces": "watchNamespaces: [team-a, team-b]",
    "everything off": OFF,
    "an issuer of theirs": "certificate: {certManager: {enabled: true, issuerRef: {name: ours}}}",
}

every_rendering = pytest.mark.parametrize("name", RENDERINGS)


@pytest.fixture(scope="module", autouse=True)
def kinds(plane: ControlPlane) -> Iterator[None]:
    for name in NAMESPACES:
        ensure_namespace(plane, name)
    apply(plane, FOREIGN)
    kubectl(plane, "wait", "--for=condition=Established", "--timeout=30s", "-f", str(FOREIGN))
    yield
    kubectl(plane, "delete", "-f", str(FOREIGN))
    kubectl(plane, "delete", "--wait=false", "namespace", *NAMESPACES)


def dry_run(plane: ControlPlane, *objects: Json) -> list[str]:
    how = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    text = yaml.safe_dump_all(objects)
    output = kubectl(plane, "apply", *how, "--warnings-as-errors", "-f", "-", stdin=text)
    return output.splitlines()


@every_rendering
def test_every_chart_object_is_accepted(plane: ControlPlane, name: str) -> None:
    objects = rendered(RENDERINGS[name]).all
    assert len(dry_run(plane, *objects)) == len(objects)


def pods(objects: Objects) -> tuple[Json, Json]:
    """The operator's pod, as its ReplicaSet would create it, and the pod of `helm test`."""
    meta = {**objects.pod["metadata"], "name": "replica", "namespace": chart.NAMESPACE}
    replica = {"apiVersion": "v1", "kind": "Pod", **objects.pod, "metadata": meta}
    return replica, objects.of("Pod")[0]


@every_rendering
def test_chart_s_pods_satisfy_restricted_pod_security(plane: ControlPlane, name: str) -> None:
    for pod in pods(rendered(RENDERINGS[name])):
        account = pod["spec"] | {"serviceAccountName": "default"}
        assert dry_run(plane, {**pod, "spec": account}) == [
            f"pod/{pod['metadata']['name']} serverside-applied (server dry run)"
        ]


@pytest.mark.parametrize("name", ["defaults", "everything"])
def test_every_default_in_the_chart_is_accepted(plane: ControlPlane, name: str) -> None:
    found = rendered(RENDERINGS[name]).one("ConfigMap", "stargate-operator-defaults")["data"]
    objects = [yaml.safe_load(text) for text in found.values()]
    assert len(dry_run(plane, *objects)) == len(objects) == 3


def test_object_with_misspelt_field_is_refused(plane: ControlPlane) -> None:
    deployment = rendered().one("Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replcas": 2}}
    with pytest.raises(KubectlError, match=r"unknown field.*replcas|replcas.*field not declared"):
        dry_run(plane, wrong)
    certificate = rendered(EVERYTHING).one("Certificate")
    with pytest.raises(KubectlError, match="dnsName"):
        dry_run(plane, {**certificate, "spec": {**certificate["spec"], "dnsName": ["x"]}})
