"""Writes the tables of docs/metrics.md: every metric of the operator, every alert of the chart.

`python -m stargate_lab.metrics_page`; `make manifests` calls it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from stargate_lab.chart import CHART
from stargate_lab.paths import REPO
from stargate_operator.telemetry import gauges, metrics, status_counters

PAGE = REPO / "docs" / "metrics.md"
RULES = CHART / "files" / "alerts.yaml"
END = "<!-- to here -->"
Row = Sequence[str]


def begin(what: str) -> str:
    return f"<!-- `make manifests` writes the {what} from here -->"


def page(before: str) -> str:
    after = _with(before, "alerts", _table(("alert", "severity", "fires when", "for"), _alerts()))
    return _with(after, "metrics", _table(("metric", "type", "labels", "what"), _metrics()))


def names() -> list[str]:
    """Of the metrics, as Prometheus has them."""
    return [_name(each) for each in _collectors()]


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
        expression = " ".join(rule["expr"].split()).replace("|", "\\|")
        yield f"`{rule['alert']}`", rule["labels"]["severity"], f"`{expression}`", rule["for"]


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _with(text: str, what: str, table: str) -> str:
    head, mark, rest = text.partition(begin(what))
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{PAGE.name} lacks its marks {begin(what)} and {END}")
    return f"{head}{mark}\n\n{table}\n\n{end}{tail}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
