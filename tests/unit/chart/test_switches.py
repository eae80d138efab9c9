"""Each switch of the chart removes its objects, and the objects beside the pods fit the pods."""

from pathlib import Path

import pytest
import yaml

from stargate_lab.host.paths import REPO
from tests.kit.rendered import EVERYTHING, rendered

OPERATOR = "system:serviceaccount:stargate-system:stargate-operator"

SWITCHES = {
    "crds": {"CustomResourceDefinition"},
    "defaults": {"ConfigMap"},
    "podDisruptionBudget": {"PodDisruptionBudget"},
    "flowSchema": {"FlowSchema"},
    "admissionPolicy": {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_removes_only_its_own_kind(switch: str) -> None:
    left = rendered(f"{switch}: {{enabled: false}}").names
    gone = {name.partition("/")[0] for name in rendered().names - left}
    assert gone == SWITCHES[switch]
    assert left <= rendered().names


def test_network_policy_is_off_by_default() -> None:
    assert not rendered().of("NetworkPolicy")
    assert rendered("networkPolicy: {enabled: true}").of("NetworkPolicy")


@pytest.mark.parametrize("path", sorted((REPO / "crds").glob("*.yaml")), ids=lambda path: path.stem)
def test_crds_match_repository_and_outlive_release(path: Path) -> None:
    stated = yaml.load(path.read_text(), yaml.CSafeLoader)
    shipped = rendered().one("CustomResourceDefinition", stated["metadata"]["name"])
    assert shipped["spec"] == stated["spec"]
    assert shipped["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_network_policy_restricts_only_metrics() -> None:
    reports, metrics = rendered(EVERYTHING).one("NetworkPolicy")["spec"]["ingress"]
    assert reports == {"ports": [{"port": "reports"}]}
    assert metrics["ports"] == [{"port": "probes"}]
    test_pod, monitoring = metrics["from"]
    assert "namespaceSelector" in monitoring
    (pod,) = rendered(EVERYTHING).of("Pod")
    assert test_pod["podSelector"]["matchLabels"] == pod["metadata"]["labels"]


def test_egress_is_dns_and_the_api_server_alone() -> None:
    names, server = rendered(EVERYTHING).one("NetworkPolicy")["spec"]["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    assert {each["port"] for each in server["ports"]} == {443, 6443}
    assert server["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert rendered("networkPolicy: {enabled: true}").one("NetworkPolicy")["spec"][
        "policyTypes"
    ] == ["Ingress"]


def test_policies_name_the_operator_s_service_account() -> None:
    found = rendered("serviceAccount: {name: other}", "--namespace", "elsewhere")
    for policy in found.of("ValidatingAdmissionPolicy"):
        conditions = " ".join(each["expression"] for each in policy["spec"]["matchConditions"])
        assert '"system:serviceaccount:elsewhere:other"' in conditions
        assert policy["spec"]["failurePolicy"] == "Fail"


def test_every_admission_policy_is_bound_and_denies() -> None:
    policies = {each["metadata"]["name"] for each in rendered().of("ValidatingAdmissionPolicy")}
    bindings = rendered().of("ValidatingAdmissionPolicyBinding")
    assert {each["spec"]["policyName"] for each in bindings} == policies
    assert {tuple(each["spec"]["validationActions"]) for each in bindings} == {("Deny",)}


def test_helm_test_uses_the_services_addresses() -> None:
    (pod,) = rendered().of("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert not pod["spec"]["automountServiceAccountToken"]
    reports, _, metrics = pod["spec"]["containers"][0]["command"][3:]
    assert reports == "https://stargate-operator-reports.stargate-system.svc:8443"
    assert metrics == "http://stargate-operator-metrics.stargate-system.svc:8080"
