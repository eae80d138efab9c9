"""A wrong value is refused by name before anything is rendered."""

import json
from typing import Any

import pytest
import yaml

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
}


@pytest.mark.parametrize("values", REFUSED)
def test_wrong_value_is_refused_by_name(values: str) -> None:
    with pytest.raises(HelmError) as refusal:
        chart.template(values=values)
    assert REFUSED[values] in str(refusal.value)


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


def test_null_removes_a_default() -> None:
    values = "defaults: {runtimes: {default: null, ours: {image: x}}}"
    data = rendered(values).one("ConfigMap", "stargate-operator-defaults")["data"]
    assert [name for name in data if "runtime" in name] == ["stargateruntime.ours.yaml"]
