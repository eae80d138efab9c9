"""The metrics that go into a report, and those that are dropped and logged."""

import logging
import math
from decimal import Decimal
from typing import Any

import pytest

from stargate_worker.metrics import Metrics


def test_numbers_of_any_type_are_kept() -> None:
    given: dict[str, Any] = {"loss": 0.5, "lr": Decimal("0.1"), "steps": 3, "warm": True}
    assert Metrics().clean(given) == {"loss": 0.5, "lr": 0.1, "steps": 3.0, "warm": 1.0}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("loss", math.nan, "nan"),
        ("loss", math.inf, "inf"),
        ("loss", "low", "not a number"),
        ("loss", None, "not a number"),
        ("", 1.0, "characters"),
        ("x" * 64, 1.0, "characters"),
        ("lo\nss", 1.0, "characters"),
        (7, 1.0, "characters"),
    ],
)
def test_invalid_metric_is_dropped_alone(
    caplog: pytest.LogCaptureFixture, name: Any, value: Any, why: str
) -> None:
    assert Metrics().clean({name: value, "accuracy": 0.9}) == {"accuracy": 0.9}
    assert why in caplog.text


def test_repeated_nan_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    metrics = Metrics()
    for _ in range(5):
        metrics.clean({"loss": math.nan})
    assert len(caplog.records) == 1


def test_metrics_beyond_the_limit_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    found = Metrics().clean({f"m{n}": n for n in range(20)})
    assert list(found) == [f"m{n}" for n in range(16)]
    assert "16 metrics at most" in caplog.text
