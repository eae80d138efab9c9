"""Keeps the metrics of a training loop that a report can carry, and drops the others.

JSON has no NaN and no infinity, and one bad metric would make the operator refuse the whole report.
Each dropped metric is logged once: a loss that is NaN in every step must not fill the log.
"""

import logging
import math
from collections.abc import Mapping
from typing import SupportsFloat

MAX_METRICS = 16
_MAX_NAME = 63

_log = logging.getLogger(__name__)


class Metrics:
    """Filters metrics, and remembers which dropped ones it has logged."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def clean(self, metrics: Mapping[str, SupportsFloat]) -> dict[str, float]:
        """The metrics that a report can carry, 16 at most. Never raises."""
        kept: dict[str, float] = {}
        for name, value in metrics.items():
            number, why = _number(value)
            why = why or _bad_name(name) or (_TOO_MANY if len(kept) >= MAX_METRICS else "")
            if why:
                self._log_dropped(str(name), why)
            else:
                kept[name] = number
        return kept

    def _log_dropped(self, name: str, why: str) -> None:
        if name in self._logged or len(self._logged) >= 100:
            return
        self._logged.add(name)
        _log.warning("the metric %.63r is left out of reports: %s", name, why)


_TOO_MANY = f"a report carries {MAX_METRICS} metrics at most"


def _number(value: SupportsFloat) -> tuple[float, str]:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0, "its value is not a number"
    return number, "" if math.isfinite(number) else f"its value is {number}"


def _bad_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        return f"a metric's name is 1 to {_MAX_NAME} printable characters"
    return ""
