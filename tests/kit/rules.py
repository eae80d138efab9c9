"""The chart's alerts as Prometheus takes them, and what they tell people to type."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from stargate_lab.cluster import chart

Json = dict[str, Any]
Overrides = Mapping[str, Mapping[str, Any]]


def rule_file(overrides: Overrides | None = None) -> Json:
    """Of an installed PrometheusRule; `overrides` are its values' by alert."""
    values = {"metrics": {"prometheusRule": {"enabled": True, "overrides": overrides or {}}}}
    found: Json = yaml.safe_load(
        chart.template("prometheusrule.yaml", values=yaml.safe_dump(values))
    )["spec"]
    return found


def alerts(file: Json) -> dict[str, Json]:
    return {rule["alert"]: rule for group in file["groups"] for rule in group["rules"]}


def commands(rule: Json) -> list[str]:
    """That its description gives in backticks."""
    return re.findall(r"`(kubectl [^`]+)`", rule["annotations"]["description"])
