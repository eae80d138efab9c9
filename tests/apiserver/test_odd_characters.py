"""The API server and the operator's models judge every string alike.

A value that one accepts and the other refuses would be a job that is stored and never read.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from stargate_lab.cluster.api import ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_types import crd
from tests.apiserver.specs import FULL, GOOD, Json, changed

KINDS = {kind.name: kind for kind in crd.KINDS}
REFUSED = (400, 422)

ODD = {
    "NUL": "\x00",
    "tab": "\t",
    "newline": "\n",
    "vertical tab": "\v",
    "carriage return": "\r",
    "escape": "\x1b",
    "information separator": "\x1f",
    "space": " ",
    "delete": "\x7f",
    "next line": "\x85",
    "no-break space": "\xa0",
    "soft hyphen": "\xad",
    "e acute": "é",
    "combining acute": "\u0301",
    "Arabic digit": "\u0663",
    "ogham space": "\u1680",
    "em space": "\u2003",
    "zero-width space": "\u200b",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
    "ideographic space": "\u3000",
    "ideograph": "\u5b57",
    "byte order mark": "\ufeff",
    "replacement character": "\ufffd",
    "emoji": "\U0001f680",
    "backslash": "\\",
    "quote": "'",
    "dollar": "$",
}

Path = tuple[str | int, ...]


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string of a spec, by its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from strings(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from strings(part, (*path, index))


def fields(manifest: Json) -> dict[str, tuple[Path, str]]:
    """One string for each field: the first of a list stands for all."""
    found: dict[str, tuple[Path, str]] = {}
    for path, text in strings(manifest["spec"]):
        name = ".".join("*" if isinstance(step, int) else step for step in path)
        found.setdefault(name, (path, text))
    return found


def variants(text: str, odd: str) -> Iterator[str]:
    """Within the text, and at its end: some patterns end before a newline."""
    middle = len(text) // 2 + 1
    yield text[:middle] + odd + text[middle:]
    if odd in "\n\r\u2028":
        yield text + odd


def replaced(manifest: Json, path: Path, text: str) -> Json:
    result = copy.deepcopy(manifest)
    place: Any = result["spec"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = text
    return result


def accepts(plane: ControlPlane, kind: str, manifest: Json) -> bool:
    within = "namespaces/default/" if kind == "StargateJob" else ""
    path = f"/apis/stargate.dev/v1alpha1/{within}{KINDS[kind].plural}?dryRun=All"
    try:
        plane.api.create(path, manifest)
    except ApiError as error:
        if error.status not in REFUSED:
            raise
        return False
    return True


def can_be_read(kind: str, manifest: Json) -> bool:
    try:
        KINDS[kind].model.model_validate_json(json.dumps(manifest))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", FULL)
def test_api_server_and_models_judge_odd_strings_alike(plane: ControlPlane, kind: str) -> None:
    good = changed(GOOD[kind], FULL[kind])
    assert accepts(plane, kind, good)
    unreadable = [
        (f"spec.{name}, {what}", manifest)
        for name, (path, text) in fields(good).items()
        for what, odd in ODD.items()
        for value in variants(text, odd)
        if not can_be_read(kind, manifest := replaced(good, path, value))
    ]
    assert len(unreadable) > len(ODD), "no field has a rule for its characters"
    stored = [what for what, manifest in unreadable if accepts(plane, kind, manifest)]
    assert stored == [], "these are stored and cannot be read"
