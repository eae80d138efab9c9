"""The chart's Deployment and Services fit the defaults of the operator."""

import re
from typing import Any

import pytest

from stargate_operator.constants import LABEL_LEADER
from stargate_operator.settings import Settings
from tests.kit.rendered import EVERYTHING, Json, rendered

SETTINGS = Settings()
both = pytest.mark.parametrize("values", ["", EVERYTHING], ids=["defaults", "everything"])


def environment(values: str) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in rendered(values).container["env"]}


def variable(setting: str) -> str:
    return f"STARGATE_{setting.upper()}"


def test_default_report_url_leads_to_the_leader() -> None:
    service = rendered().one("Service", "stargate-operator-reports")
    meta, port = service["metadata"], service["spec"]["ports"][0]["port"]
    url = f"https://{meta['name']}.{meta['namespace']}.svc:{port}"
    assert url == SETTINGS.reports_url == environment("")["STARGATE_REPORTS_URL"]
    assert service["spec"]["selector"][LABEL_LEADER] == "true"


def test_workers_find_the_leader_in_another_namespace() -> None:
    found = rendered("", "--namespace", "elsewhere").container["env"]
    assert {
        "name": "STARGATE_REPORTS_URL",
        "value": SETTINGS.reports_url.replace("stargate-system", "elsewhere"),
    } in found


def test_metrics_service_selects_unready_replicas_too() -> None:
    spec = rendered().one("Service", "stargate-operator-metrics")["spec"]
    assert spec["clusterIP"] == "None"
    assert spec["publishNotReadyAddresses"]
    assert LABEL_LEADER not in spec["selector"]


@both
def test_services_and_budget_select_only_operator_pods(values: str) -> None:
    objects = rendered(values)
    labels = objects.pod["metadata"]["labels"].items()
    (test_pod,) = objects.of("Pod")
    selectors = [each["spec"]["selector"] for each in objects.of("Service")]
    budget = objects.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    for selector in (*selectors, budget):
        stated = {key: each for key, each in selector.items() if key != LABEL_LEADER}.items()
        assert stated <= labels
        assert not stated <= test_pod["metadata"]["labels"].items()


def test_operator_listens_on_its_default_ports() -> None:
    ports = {each["name"]: each["containerPort"] for each in rendered().container["ports"]}
    assert ports == {"reports": SETTINGS.reports_port, "probes": SETTINGS.probes_port}


def test_certificate_is_mounted_at_its_default_path() -> None:
    mount = rendered().container["volumeMounts"][0]["mountPath"]
    files = (SETTINGS.reports_certificate, SETTINGS.reports_key, SETTINGS.reports_ca)
    assert {str(each.parent) for each in files} == {mount}
    (tls, *_) = rendered().pod["spec"]["volumes"]
    assert {each["path"] for each in tls["secret"]["items"]} == {each.name for each in files}


@both
def test_every_pod_is_restricted_and_read_only(values: str) -> None:
    objects = rendered(values)
    for pod in (objects.pod["spec"], objects.of("Pod")[0]["spec"]):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_value_reaches_the_operator_as_its_setting() -> None:
    values = environment(EVERYTHING)
    assert values["STARGATE_NODE_LOST_SECONDS"] == "60"
    assert values["STARGATE_LEASE_RETRY_SECONDS"] == "1.5"
    known = {variable(each) for each in Settings.model_fields}
    ours = {each for each in values if each.startswith("STARGATE_")}
    assert ours - known <= {"STARGATE_WATCH_NAMESPACES", "STARGATE_DEFAULTS_DIRECTORY"}


@both
def test_no_variable_is_stated_twice(values: str) -> None:
    names = [each["name"] for each in rendered(values).container["env"]]
    assert len(names) == len(set(names))


def test_watched_namespaces_reach_the_operator() -> None:
    assert environment(EVERYTHING)["STARGATE_WATCH_NAMESPACES"] == "team-a,team-b"
    assert "STARGATE_WATCH_NAMESPACES" not in environment("")


def test_changed_defaults_restart_no_pod() -> None:
    assert rendered().pod == rendered("defaults: {computeBlocks: {cluster: {pue: 1.3}}}").pod


def test_without_defaults_nothing_is_mounted() -> None:
    objects = rendered("defaults: {enabled: false}")
    assert not objects.of("ConfigMap")
    assert [each["name"] for each in objects.pod["spec"]["volumes"]] == ["tls"]
    assert not [each for each in objects.container["env"] if "DEFAULTS" in each["name"]]


def test_rollout_keeps_replicas_until_new_are_ready() -> None:
    rolling = rendered().one("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    assert rendered().one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_replicas_of_a_revision_prefer_separate_nodes() -> None:
    (spread,) = rendered().pod["spec"]["topologySpreadConstraints"]
    selected = spread["labelSelector"]["matchLabels"].items()
    assert selected <= rendered().pod["metadata"]["labels"].items()
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert spread["matchLabelKeys"] == ["pod-template-hash"]


def test_site_values_of_pods_are_rendered() -> None:
    pod = rendered(EVERYTHING).pod
    assert pod["metadata"]["labels"]["example.com/team"] == "platform"
    assert pod["metadata"]["annotations"]["example.com/team"] == "platform"
    spec = pod["spec"]
    assert spec["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in spec["containers"][0]["env"]


def test_site_labels_do_not_break_service_selectors() -> None:
    labels = rendered("podLabels: {app.kubernetes.io/name: other}").pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "stargate-operator"


def image(values: str) -> str:
    return str(rendered(values).container["image"])


def test_image_has_this_version_by_default() -> None:
    assert re.fullmatch(r"ghcr\.io/stargate-dev/operator:\d+\.\d+\.\d+", image(""))
    assert image("image: {tag: v2}") == "ghcr.io/stargate-dev/operator:v2"
    digest = f"sha256:{'a' * 64}"
    named = f"image: {{tag: v2, digest: '{digest}'}}"
    assert image(named) == f"ghcr.io/stargate-dev/operator@{digest}"


def probe(name: str) -> Json:
    return dict(rendered().container[name])


def test_kubelet_probes_use_the_operator_s_paths() -> None:
    paths = {each: probe(each)["httpGet"]["path"] for each in PROBES}
    assert paths == PROBES
    assert {probe(each)["httpGet"]["port"] for each in PROBES} == {"probes"}


PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
