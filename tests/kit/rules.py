"""The chart's alerts in the format of Prometheus, and the commands in their descriptions."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from stargate_lab.cluster import chart

Json = dict[str, Any]
Overrides = Mapping[str, Mapping[str, Any]]


def rule_file(overrides: Overrides | None = None) -> Json:
    """The rule file of the chart's PrometheusRule. `overrides` are the chart's values for alerts."""
    values = {"metrics": {"prometheusRule": {"enabled": True, "overrides": overrides or {}}}}
    found: Json = yaml.safe_load(
        chart.template("prometheusrule.yaml", values=yaml.safe_dump(values))
    )["spec"]
    return found


def alerts(file: Json) -> dict[str, Json]:
    return {rule["alert"]: rule for group in file["groups"] for rule in group["rules"]}


def commands(rule: Json) -> list[str]:
    """The commands in backticks in the alert's description."""
    return re.findall(r"`(kubectl [^`]+)`", rule["annotations"]["description"])
