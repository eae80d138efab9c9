"""Label and field selectors, as far as the operator and the tests use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Selects = Callable[[Json], bool]


def selector(labels: str, fields: str) -> Selects:
    requirements = [
        *(_of_labels(term) for term in labels.split(",") if term),
        *(_of_fields(term) for term in fields.split(",") if term),
    ]
    if not requirements:
        return _everything
    return lambda found: all(holds(found) for holds in requirements)


def _everything(found: Json) -> bool:
    del found
    return True


def _of_labels(term: str) -> Selects:
    if term.startswith("!"):
        return lambda found: term[1:] not in _labels(found)
    if "=" not in term:
        return lambda found: term in _labels(found)
    key, value, equal = _split(term)
    return lambda found: (_labels(found).get(key) == value) is equal


def _of_fields(term: str) -> Selects:
    path, value, equal = _split(term)
    return lambda found: (_field(found, path) == value) is equal


def _split(term: str) -> tuple[str, str, bool]:
    equal = "!=" not in term
    key, _, value = term.partition("=" if equal else "!=")
    return key, value.lstrip("="), equal


def _labels(found: Json) -> dict[str, str]:
    return found["metadata"].get("labels") or {}


def _field(found: Json, path: str) -> str:
    value: Any = found
    for part in path.split("."):
        value = (value or {}).get(part)
    return "" if value is None else str(value)
