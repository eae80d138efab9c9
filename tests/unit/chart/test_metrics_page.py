"""docs/metrics.md agrees with the code, and each metric is used on the dashboard or in an alert."""

import re

import pytest

from stargate_generate import dashboard, metrics_page
from tests.unit.chart.test_alerts import RULES


def test_the_page_has_every_metric_and_alert() -> None:
    text = metrics_page.PAGE.read_text()
    assert text == metrics_page.page(text), "run `make manifests`"


def test_page_without_marks_is_not_changed() -> None:
    with pytest.raises(ValueError, match="marks"):
        metrics_page.page("nothing of the kind")


def test_every_metric_is_on_dashboard_or_alert() -> None:
    shown = " ".join([RULES.read_text(), *(each for _, each in dashboard.expressions())])
    assert [name for name in metrics_page.names() if name not in shown] == []


def test_every_queried_metric_exists() -> None:
    asked = " ".join([RULES.read_text(), *(each for _, each in dashboard.expressions())])
    found = {re.sub("_bucket$", "", each) for each in re.findall(r"\bstargate_\w+", asked)}
    assert found <= set(metrics_page.names())
