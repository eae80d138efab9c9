"""The chart's objects for a Prometheus Operator and Grafana, which are off by default."""

import json
from typing import Any

import pytest
import yaml

from stargate_generate import dashboard
from stargate_lab.cluster import chart
from stargate_lab.cluster.chart import HelmError
from tests.kit.rules import alerts, rule_file

Json = dict[str, Any]


def rendered(template: str, part: str, **values: Any) -> Json:
    asked = {"metrics": {part: {"enabled": True, **values}}}
    found: Json = yaml.safe_load(chart.template(template, values=yaml.safe_dump(asked)))
    return found


@pytest.mark.parametrize("part", ["servicemonitor", "prometheusrule", "dashboard"])
def test_monitoring_objects_are_off_by_default(part: str) -> None:
    with pytest.raises(HelmError, match="could not find template"):
        chart.template(f"{part}.yaml")


def test_service_monitor_scrapes_every_replica() -> None:
    monitor = rendered("servicemonitor.yaml", "serviceMonitor", interval="10s", labels={"a": "b"})
    services = yaml.safe_load_all(chart.template("service.yaml"))
    (service,) = [s for s in services if s["metadata"]["name"].endswith("-metrics")]
    assert monitor["metadata"]["labels"]["a"] == "b"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["stargate-system"]}
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["interval"] == "10s"


def test_alert_threshold_duration_and_severity_are_values() -> None:
    shipped = alerts(rule_file())["StargateGangStuck"]
    own = {"threshold": 60, "for": "5s", "severity": "page"}
    changed = alerts(rule_file({"StargateGangStuck": own}))["StargateGangStuck"]
    assert changed["expr"] == shipped["expr"].replace("900", "60")
    assert (changed["for"], changed["labels"]["severity"]) == ("5s", "page")
    assert changed["annotations"] == shipped["annotations"]


def test_alert_can_be_disabled() -> None:
    left = alerts(rule_file({"StargateJobQueuedLong": {"enabled": False}}))
    assert alerts(rule_file()).keys() - left.keys() == {"StargateJobQueuedLong"}


def test_override_of_an_unknown_alert_is_refused() -> None:
    with pytest.raises(HelmError, match="there is no alert StargateGangStruck"):
        rule_file({"StargateGangStruck": {"enabled": False}})


def test_grafana_sidecar_finds_the_chart_s_dashboard() -> None:
    found = rendered("dashboard.yaml", "dashboard", labels={"team": "ml"})
    assert found["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "team": "ml"}.items()
    assert found["data"]["stargate.json"].rstrip() == dashboard.FILE.read_text().rstrip()


def test_dashboard_file_is_up_to_date() -> None:
    assert dashboard.FILE.read_text() == dashboard.text(), "run `make manifests`"


def test_dashboard_panels_neither_overlap_nor_leave_gaps() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard.text())["panels"]:
        at = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not covered & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= covered
