"""The chart's Deployment and Services fit what the operator expects of its surroundings."""

from typing import Any

import pytest
import yaml

from stargate_lab import chart
from stargate_operator.constants import LABEL_LEADER
from stargate_operator.settings import Settings

DOCUMENTS = list(yaml.safe_load_all(chart.template("deployment.yaml", "service.yaml")))
SETTINGS = Settings()


def the(kind: str, name: str) -> Any:
    (found,) = [e for e in DOCUMENTS if (e["kind"], e["metadata"]["name"]) == (kind, name)]
    return found


@pytest.fixture
def container() -> Any:
    (found,) = the("Deployment", "stargate-operator")["spec"]["template"]["spec"]["containers"]
    return found


def test_workers_find_the_leader_under_the_default_report_url() -> None:
    service = the("Service", "stargate-operator-reports")
    meta, port = service["metadata"], service["spec"]["ports"][0]["port"]
    assert SETTINGS.reports_url == f"https://{meta['name']}.{meta['namespace']}.svc:{port}"
    assert service["spec"]["selector"][LABEL_LEADER] == "true"


def test_it_listens_on_its_default_ports(container: Any) -> None:
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"reports": SETTINGS.reports_port, "probes": SETTINGS.probes_port}


def test_its_certificate_is_where_it_looks(container: Any) -> None:
    mount = container["volumeMounts"][0]["mountPath"]
    files = (SETTINGS.reports_certificate, SETTINGS.reports_key, SETTINGS.reports_ca)
    assert {str(each.parent) for each in files} == {mount}


def test_it_is_restricted_and_writes_nowhere(container: Any) -> None:
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    pod = the("Deployment", "stargate-operator")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
