"""An object of ours that this version cannot read: who it is, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

_SHOWN = 3


@dataclass(frozen=True)
class Unreadable:
    """`body` is the object as the API server gave it, `problem` names the fields and what is wrong."""

    body: Mapping[str, Any]
    problem: str

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def version(self) -> int:
        return int(self.body["metadata"].get("resourceVersion") or 0)


def unreadable(body: Mapping[str, Any], error: ValidationError) -> Unreadable:
    found = error.errors(include_url=False, include_input=False)
    words = [f"{_field(each['loc'])}: {each['msg']}" for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        words.append(f"and {len(found) - _SHOWN} more")
    return Unreadable(body, "; ".join(words))


def _field(location: tuple[str | int, ...]) -> str:
    """The field's path as a manifest has it, such as spec.template.env[0].name."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{to_camel(step)}" for step in location)
    return "".join(steps).removeprefix(".") or "the object"
