"""A training loop's metrics as the protocol can carry them.

NaN and Infinity are no JSON, and one bad metric would cost the whole report. What cannot be sent is
left out, and said once by name: a loss that is NaN in every step must not fill the log.
"""

import logging
import math
from collections.abc import Mapping
from typing import SupportsFloat

MAX_METRICS = 16
_MAX_NAME = 63

_log = logging.getLogger(__name__)


class Metrics:
    """Remembers what it has complained about."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def clean(self, given: Mapping[str, SupportsFloat]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, value in given.items():
            number, why = _number(value)
            why = why or _bad_name(name) or (_TOO_MANY if len(found) >= MAX_METRICS else "")
            if why:
                self._complain(str(name), why)
            else:
                found[name] = number
        return found

    def _complain(self, name: str, why: str) -> None:
        if name in self._told or len(self._told) >= 100:
            return
        self._told.add(name)
        _log.warning("the metric %.63r is left out of reports: %s", name, why)


_TOO_MANY = f"a report carries {MAX_METRICS} metrics at most"


def _number(value: SupportsFloat) -> tuple[float, str]:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0, "its value is no number"
    return number, "" if math.isfinite(number) else f"its value is {number}"


def _bad_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        return f"a metric's name is 1 to {_MAX_NAME} printable characters"
    return ""
