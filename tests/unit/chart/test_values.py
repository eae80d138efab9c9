"""A wrong value is refused by name before anything is rendered."""

import json
import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from stargate_generate import chart_reference
from stargate_lab.cluster import chart
from stargate_lab.cluster.chart import HelmError
from stargate_operator.settings import Settings
from stargate_types import AcceleratorClass, ComputeBlock, StargateRuntime
from tests.kit.rendered import EVERYTHING, rendered

SCHEMA = json.loads(chart_reference.SCHEMA.read_text())
VALUES = yaml.safe_load(chart_reference.VALUES.read_text())

REFUSED = {
    "replicas: 2": "additional properties 'replicas' not allowed",
    "replicaCount: two": "at '/replicaCount': got string, want integer",
    "replicaCount: 0": "at '/replicaCount': minimum: got 0, want 1",
    "image: {tag: 1.2}": "at '/image/tag': got number, want string",
    "image: {digest: sha256:abc}": "at '/image/digest': 'sha256:abc' does not match pattern",
    "image: {pullPolicy: Sometimes}": "at '/image/pullPolicy': value must be one of",
    "imagePullSecrets: [{name: x}]": "at '/imagePullSecrets/0': got object, want string",
    "crds: {install: true}": "at '/crds': additional properties 'install' not allowed",
    "crds: {enabled: 'yes'}": "at '/crds/enabled': got string, want boolean",
    "watchNamespaces: team-a": "at '/watchNamespaces': got string, want array",
    "watchNamespaces: [Team_A]": "at '/watchNamespaces/0': 'Team_A' does not match pattern",
    "watchNamespaces: [a, a]": "at '/watchNamespaces': items at 0 and 1 are equal",
    "certificate: {secret: x}": "at '/certificate': additional properties 'secret' not allowed",
    "certificate: {certManager: {issuerRef: {kind: Issuer}}}": (
        "at '/certificate/certManager/issuerRef': properties 'name' required, if 'kind' exists"
    ),
    'admissionPolicy: {exemptUsers: ["o\'hara"]}': "at '/admissionPolicy/exemptUsers/0'",
    "networkPolicy: {egress: {apiServerPorts: [https]}}": (
        "at '/networkPolicy/egress/apiServerPorts/0': got string, want integer"
    ),
    "defaults: {runtimes: [default]}": "at '/defaults/runtimes': got array, want object",
    "defaults: {acceleratorClasses: {My_Class: {}}}": "invalid propertyName 'My_Class'",
    "settings: {nodeLostSecond: 60}": (
        "at '/settings': additional properties 'nodeLostSecond' not allowed"
    ),
    "settings: {nodeLostSeconds: 1m}": "at '/settings/nodeLostSeconds': got string, want integer",
    "settings: {nodeLostSeconds: 0}": "at '/settings/nodeLostSeconds': minimum: got 0, want 1",
    "settings: {reportsPort: 443}": "additional properties 'reportsPort' not allowed",
    "settings: {nativeGangs: on}": "at '/settings/nativeGangs'",
    "extraEnv: [{name: STARGATE_NAMESPACE, value: x}]": "at '/extraEnv/0/name': 'not' failed",
    "metrics: {serviceMonitor: {interval: 30}}": (
        "at '/metrics/serviceMonitor/interval': got number, want string"
    ),
    "podLabels: {replica: 1}": "at '/podLabels/replica': got number, want string",
    "terminationGracePeriodSeconds: 30s": "at '/terminationGracePeriodSeconds': got string",
    "tolerations: {operator: Exists}": "at '/tolerations': got object, want array",
    "resources: {cpu: 1}": "at '/resources': additional properties 'cpu' not allowed",
    "resources: {limits: {memory: -1}}": "at '/resources/limits/memory': minimum: got -1, want 0",
    "resources: {limits: {memory: 1 Gi}}": "at '/resources/limits/memory': '1 Gi' does not match",
    'settings: {leaseName: ""}': "at '/settings/leaseName': minLength: got 0, want 1",
    "settings: {leaseName: My Lease}": "at '/settings/leaseName': 'My Lease' does not match",
    "settings: {leaseRetrySeconds: 0.001}": "at '/settings/leaseRetrySeconds': minimum",
    "settings: {leaseDurationSeconds: -15}": "at '/settings/leaseDurationSeconds'",
    "settings: {leaseRetrySeconds: 10}": (
        "settings.leaseRetrySeconds (10) must be less than settings.leaseRenewDeadlineSeconds (10)"
    ),
    "settings: {leaseRenewDeadlineSeconds: 15}": (
        "settings.leaseDurationSeconds (15) must be longer than"
        " settings.leaseRenewDeadlineSeconds (15) by 5 or more"
    ),
    "image: {repository: ''}": "at '/image/repository': '' does not match pattern",
    "image: {tag: a b}": "at '/image/tag': 'a b' does not match pattern",
    "imagePullSecrets: ['']": "at '/imagePullSecrets/0': '' does not match pattern",
    "serviceAccount: {name: My_Account}": "at '/serviceAccount/name'",
    "certificate: {existingSecret: My_Secret}": "at '/certificate/existingSecret'",
    "defaults: {trainer: {tag: 'a:b'}}": "at '/defaults/trainer/tag'",
    "extraEnv: [{name: ''}]": "at '/extraEnv/0/name': '' does not match pattern",
    "extraEnv: [{name: A=B}]": "at '/extraEnv/0/name': 'A=B' does not match pattern",
    "extraEnv: [{name: A, value: a, valueFrom: {}}]": "at '/extraEnv/0': 'not' failed",
    "podLabels: {team: a b}": "at '/podLabels/team': 'a b' does not match pattern",
    "podLabels: {a b: x}": "invalid propertyName 'a b'",
    "nodeSelector: {'': x}": "invalid propertyName ''",
    "priorityClassName: High!": "at '/priorityClassName': 'High!' does not match pattern",
    "networkPolicy: {egress: {apiServerPorts: [0]}}": (
        "at '/networkPolicy/egress/apiServerPorts/0': minimum: got 0, want 1"
    ),
    "networkPolicy: {egress: {apiServerPorts: [65536]}}": (
        "at '/networkPolicy/egress/apiServerPorts/0': maximum"
    ),
    "metrics: {serviceMonitor: {interval: ''}}": "at '/metrics/serviceMonitor/interval'",
    "metrics: {serviceMonitor: {interval: 0s}}": "at '/metrics/serviceMonitor/interval'",
    "metrics: {serviceMonitor: {interval: 1s1m}}": "at '/metrics/serviceMonitor/interval'",
    "metrics: {serviceMonitor: {interval: -30s}}": "at '/metrics/serviceMonitor/interval'",
    "metrics: {prometheusRule: {overrides: {X: {threshold: -1}}}}": (
        "at '/metrics/prometheusRule/overrides/X/threshold': minimum: got -1, want 0"
    ),
    "terminationGracePeriodSeconds: 0": "at '/terminationGracePeriodSeconds': minimum",
}


@pytest.mark.parametrize("values", REFUSED)
def test_wrong_value_is_refused_by_name(values: str) -> None:
    with pytest.raises(HelmError) as refusal:
        chart.template(values=values)
    assert REFUSED[values] in str(refusal.value)


TIMES = [(15, 10, 2), (15, 10.5, 2), (15, 10, 10), (8, 3, 3), (8, 3, 0.1), (7.9, 3, 1), (30, 40, 1)]


@pytest.mark.parametrize(("duration", "deadline", "retry"), TIMES)
def test_chart_and_operator_accept_same_lease_times(
    duration: float, deadline: float, retry: float
) -> None:
    times = {
        "leaseDurationSeconds": duration,
        "leaseRenewDeadlineSeconds": deadline,
        "leaseRetrySeconds": retry,
    }
    assert renders(json.dumps({"settings": times})) == runs_with(duration, deadline, retry)


def renders(values: str) -> bool:
    try:
        chart.template(values=values)
    except HelmError:
        return False
    return True


def runs_with(duration: float, deadline: float, retry: float) -> bool:
    try:
        Settings(
            lease_duration_seconds=duration,
            lease_renew_deadline_seconds=deadline,
            lease_retry_seconds=retry,
        )
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ["leaseDurationSeconds", "leaseRenewDeadlineSeconds"])
def test_absent_lease_times_are_those_of_operator(name: str) -> None:
    default = Settings.model_fields[re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name)].default
    least = {"leaseDurationSeconds": 15, "leaseRenewDeadlineSeconds": 10}[name]
    assert default == least
    text = (chart.CHART / "templates" / "lease.yaml").read_text()
    assert f"$settings.{name} | default {least}" in text


def test_schema_has_every_value() -> None:
    assert unknown("", VALUES, SCHEMA) == []


def unknown(path: str, values: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Keys that the schema would take only by chance, since it is closed wherever it lists any."""
    known = schema.get("properties", {})
    if not known:
        return []
    assert schema["additionalProperties"] is False, path
    found = [f"{path}.{key}" for key in values if key not in known]
    for key, value in values.items():
        if isinstance(value, dict) and key in known:
            found += unknown(f"{path}.{key}", value, known[key])
    return found


def test_every_setting_is_value_or_set_by_chart() -> None:
    known = set(SCHEMA["properties"]["settings"]["properties"])
    named = {chart_reference.camel(each) for each in set(Settings.model_fields)}
    ours = {chart_reference.camel(each) for each in chart_reference.OF_THE_CHART}
    assert known | ours == named
    assert not known & ours


def test_chart_reference_is_up_to_date() -> None:
    said = chart_reference.README.read_text()
    assert said == chart_reference.readme(said, chart_reference.VALUES.read_text()), OUTDATED
    schema = chart_reference.SCHEMA.read_text()
    assert schema == chart_reference.schema(schema), OUTDATED


OUTDATED = "run `make manifests`"


def test_every_value_is_described() -> None:
    """It raises for a leaf without a comment."""
    described = list(chart_reference.documented(chart_reference.VALUES.read_text()))
    assert {each.key.partition(".")[0] for each in described} == set(VALUES)
    assert all(each.description for each in described)


def test_value_without_a_comment_is_reported() -> None:
    with pytest.raises(AssertionError, match=r"a\.c has no comment"):
        list(chart_reference.documented("a:\n  # -- Said.\n  b: 1\n  c: 2\n"))


MODELS: dict[str, type[StargateRuntime | AcceleratorClass | ComputeBlock]] = {
    "StargateRuntime": StargateRuntime,
    "AcceleratorClass": AcceleratorClass,
    "ComputeBlock": ComputeBlock,
}


@pytest.mark.parametrize("values", ["", EVERYTHING], ids=["defaults", "everything"])
def test_defaults_are_valid_objects(values: str) -> None:
    data = rendered(values).one("ConfigMap", "stargate-operator-defaults")["data"]
    objects = [yaml.safe_load(text) for text in data.values()]
    for each in objects:
        read = MODELS[each["kind"]].model_validate(each)
        assert read.spec.model_dump(mode="json", by_alias=True, exclude_unset=True) == each["spec"]
    assert {each["kind"] for each in objects} == set(MODELS)


def test_default_runtime_names_trainer_of_this_version() -> None:
    data = rendered().one("ConfigMap", "stargate-operator-defaults")["data"]
    runtime = yaml.safe_load(data["stargateruntime.default.yaml"])
    version = rendered().container["image"].rpartition(":")[2]
    assert runtime["spec"]["image"] == f"ghcr.io/stargate-dev/trainer:{version}"


ODD_SPECS = {
    "args": [
        "--fmt={{.Rank}}",
        "{{ .Release.Name }}",
        "{{",
        "$(A) $$ %s `x`",
        "a: b",
        "'\"",
        "\u00a0",
    ],
    "env": [{"name": "A", "value": "{{ fail }}\n---\n{{- end }}\n"}, {"name": "B", "value": "1e3"}],
    "image": "x:{{ 1 }}",
}


def test_given_spec_reaches_operator_unchanged() -> None:
    values = json.dumps({"defaults": {"runtimes": {"odd": ODD_SPECS, "default": ODD_SPECS}}})
    data = rendered(values).one("ConfigMap", "stargate-operator-defaults")["data"]
    assert yaml.safe_load(data["stargateruntime.odd.yaml"])["spec"] == ODD_SPECS
    given = yaml.safe_load(data["stargateruntime.default.yaml"])["spec"]
    assert {key: given[key] for key in ODD_SPECS} == ODD_SPECS


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null", "0x1f"])
def test_name_that_looks_like_a_number_stays_text(name: str) -> None:
    values = f"""
serviceAccount: {{name: "{name}"}}
certificate: {{existingSecret: "{name}"}}
imagePullSecrets: ["{name}"]
priorityClassName: "{name}"
watchNamespaces: ["{name}"]
settings: {{leaseName: "{name}"}}
networkPolicy: {{enabled: true}}
defaults: {{runtimes: {{"{name}": {{image: x}}}}}}
"""
    text = chart.helm("template", "r", str(chart.CHART), "--namespace", name, values=values)
    objects = [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]
    assert {type(found["metadata"].get("namespace", "")) for found in objects} == {str}
    (deployment,) = (found for found in objects if found["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert [spec["serviceAccountName"], spec["priorityClassName"]] == [name, name]
    assert spec["imagePullSecrets"] == [{"name": name}]
    assert spec["volumes"][0]["secret"]["secretName"] == name
    subjects = [found["subjects"] for found in objects if "subjects" in found]
    accounts = [one for many in subjects for one in many if one["kind"] == "ServiceAccount"]
    assert {(one["name"], one["namespace"]) for one in accounts} == {(name, name)}
    (defaults,) = (
        found for found in objects if "stargateruntime.default.yaml" in found.get("data", {})
    )
    assert (
        yaml.safe_load(defaults["data"][f"stargateruntime.{name}.yaml"])["metadata"]["name"] == name
    )


def test_null_removes_a_default() -> None:
    values = "defaults: {runtimes: {default: null, ours: {image: x}}}"
    data = rendered(values).one("ConfigMap", "stargate-operator-defaults")["data"]
    assert [name for name in data if "runtime" in name] == ["stargateruntime.ours.yaml"]
