"""What may be left out is, and what the chart holds beside its pods fits them."""

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
def test_a_switch_takes_its_own_kind_out_and_no_other(switch: str) -> None:
    left = rendered(f"{switch}: {{enabled: false}}").names
    gone = {name.partition("/")[0] for name in rendered().names - left}
    assert gone == SWITCHES[switch]
    assert left <= rendered().names


def test_a_network_policy_is_asked_for() -> None:
    assert not rendered().of("NetworkPolicy")
    assert rendered("networkPolicy: {enabled: true}").of("NetworkPolicy")


@pytest.mark.parametrize("path", sorted((REPO / "crds").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_crds_are_those_of_the_repository_and_outlive_the_release(path: Path) -> None:
    stated = yaml.load(path.read_text(), yaml.CSafeLoader)
    shipped = rendered().one("CustomResourceDefinition", stated["metadata"]["name"])
    assert shipped["spec"] == stated["spec"]
    assert shipped["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_reports_come_from_everywhere_and_metrics_go_to_whom_the_site_names() -> None:
    reports, metrics = rendered(EVERYTHING).one("NetworkPolicy")["spec"]["ingress"]
    assert reports == {"ports": [{"port": "reports"}]}
    assert metrics["ports"] == [{"port": "probes"}]
    test_pod, monitoring = metrics["from"]
    assert "namespaceSelector" in monitoring
    (pod,) = rendered(EVERYTHING).of("Pod")
    assert test_pod["podSelector"]["matchLabels"] == pod["metadata"]["labels"]


def test_it_talks_to_dns_and_the_api_server_alone() -> None:
    names, server = rendered(EVERYTHING).one("NetworkPolicy")["spec"]["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    assert {each["port"] for each in server["ports"]} == {443, 6443}
    assert server["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert rendered("networkPolicy: {enabled: true}").one("NetworkPolicy")["spec"][
        "policyTypes"
    ] == ["Ingress"]


def test_the_policies_know_the_operator_by_the_name_that_it_has() -> None:
    found = rendered("serviceAccount: {name: other}", "--namespace", "elsewhere")
    for policy in found.of("ValidatingAdmissionPolicy"):
        conditions = " ".join(each["expression"] for each in policy["spec"]["matchConditions"])
        assert '"system:serviceaccount:elsewhere:other"' in conditions
        assert policy["spec"]["failurePolicy"] == "Fail"


def test_every_policy_is_bound_and_denies() -> None:
    policies = {each["metadata"]["name"] for each in rendered().of("ValidatingAdmissionPolicy")}
    bindings = rendered().of("ValidatingAdmissionPolicyBinding")
    assert {each["spec"]["policyName"] for each in bindings} == policies
    assert {tuple(each["spec"]["validationActions"]) for each in bindings} == {("Deny",)}


def test_the_helm_test_asks_where_the_services_are() -> None:
    (pod,) = rendered().of("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert not pod["spec"]["automountServiceAccountToken"]
    reports, _, metrics = pod["spec"]["containers"][0]["command"][3:]
    assert reports == "https://stargate-operator-reports.stargate-system.svc:8443"
    assert metrics == "http://stargate-operator-metrics.stargate-system.svc:8080"
