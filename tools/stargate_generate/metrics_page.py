"""Writes the tables of docs/metrics.md: every metric of the operator, every alert of the chart.

`make manifests` calls `python -m stargate_generate.metrics_page`.
"""

from collections.abc import Iterable
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from stargate_generate.markdown import Row, table, with_part
from stargate_lab.cluster.chart import CHART
from stargate_lab.host.paths import REPO
from stargate_operator.telemetry import gauges, metrics, status_counters

PAGE = REPO / "docs" / "metrics.md"
RULES = CHART / "files" / "alerts.yaml"


def page(before: str) -> str:
    after = with_part(
        before, "alerts", table(("alert", "severity", "fires when", "for"), _alerts())
    )
    return with_part(after, "metrics", table(("metric", "type", "labels", "what"), _metrics()))


def names() -> list[str]:
    """The names of the metrics, as Prometheus shows them."""
    return [_name(collector) for collector in _collectors()]


def _collectors() -> list[MetricWrapperBase]:
    modules = (gauges, metrics, status_counters)
    values = [value for module in modules for value in vars(module).values()]
    found = [value for value in values if isinstance(value, MetricWrapperBase)]
    return sorted(found, key=_name)


def _name(collector: MetricWrapperBase) -> str:
    (family,) = collector.describe()
    return f"{family.name}_total" if family.type == "counter" else family.name


def _metrics() -> Iterable[Row]:
    for collector in _collectors():
        (family,) = collector.describe()
        labels = ", ".join(collector._labelnames)
        yield f"`{_name(collector)}`", family.type, labels, family.documentation


def _alerts() -> Iterable[Row]:
    for rule in _rules():
        expression = " ".join(rule["expr"].split())
        yield f"`{rule['alert']}`", rule["labels"]["severity"], f"`{expression}`", rule["for"]


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def main() -> None:
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
