"""Pydantic's findings in words for a researcher: the field as they wrote it, and what would be right.

What is said of a field (its description, what its text must look like, its neighbours' names) comes
from the models' own JSON schema, so a new field needs nothing here. A value is shown only where it
is short and cannot be somebody's secret: never inside `template`, which holds environments.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from stargate_api.errors import Problem
from stargate_types import StargateJobSpec

Json = dict[str, Any]
Place = tuple[int | str, ...]

_SHOWN = 40
_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a dictionary",
    "model_type": "a dictionary",
    "model_attributes_type": "a dictionary",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


class Complaints:
    """Of one config. `prefix` stands before every field: `spec.` in a manifest."""

    def __init__(self, config: Mapping[str, Any], prefix: str = "") -> None:
        self._prefix = prefix
        snake = sum("_" in key for key in config)
        self._camel = sum(to_snake(key) != key for key in config) > snake

    def of(self, error: ValidationError) -> list[Problem]:
        return [self._problem(each) for each in error.errors(include_url=False)]

    def _problem(self, error: Any) -> Problem:
        place: Place = error["loc"]
        return Problem(self._prefix + self._name(place), self._message(error, place))

    def _message(self, error: Any, place: Place) -> str:
        match error["type"]:
            case "missing":
                return (
                    f"is missing: {_decapitalised(str(_schema_at(place).get('description', '')))}"
                )
            case "extra_forbidden":
                return self._unknown(place)
            case "string_pattern_mismatch" if "must" in _schema_at(place):
                return f"{_schema_at(place)['must']}{_shown(place, error['input'])}"
            case _:
                return f"must be {_must_be(error)}{_shown(place, error['input'])}"

    def _unknown(self, place: Place) -> str:
        wrong = str(place[-1])
        known = list(_schema_at(place[:-1]).get("properties", {}))
        if to_camel(wrong) in known:
            return f"is given twice: the same as {to_camel(wrong)}"
        near = get_close_matches(to_camel(wrong), known, n=1, cutoff=0.5)
        if near:
            return f"is unknown; did you mean {self._styled(near[0])}?"
        return f"is unknown; known here: {', '.join(map(self._styled, sorted(known)))}"

    def _name(self, place: Place) -> str:
        text = ""
        for part in place:
            text += f"[{part}]" if isinstance(part, int) else f".{self._styled(part)}"
        return text.removeprefix(".")

    def _styled(self, name: str) -> str:
        """As this config writes its names."""
        return name if self._camel else to_snake(name)


def _must_be(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {context[key]:,}"
    if kind == "literal_error":
        return str(context["expected"])
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind.startswith("string") else "entries"
        return f"at most {context['max_length']:,} {unit} long"
    if kind == "string_too_short":
        return "a text that is not empty"
    if kind in _MUST_BE:
        return _MUST_BE[kind]
    return f"otherwise: {error['msg']}"


def _shown(place: Place, value: Any) -> str:
    """What was given, where that is safe and helps."""
    if place[0] == "template":
        return ""
    match value:
        case bool():
            return f"; it is {str(value).lower()}"
        case int() | float():
            return f"; it is {value:,}"
        case str() if len(value) <= _SHOWN:
            return f"; it is the text {value!r}"
        case Mapping():
            return "; it is a dictionary"
        case Sequence() if not isinstance(value, str):
            return "; it is a list"
        case None:
            return "; it is null"
        case _:
            return ""


def _decapitalised(sentence: str) -> str:
    """As it goes on after a colon; an abbreviation stays as it is."""
    first = sentence[:1] if sentence[1:2].isupper() else sentence[:1].lower()
    return (first + sentence[1:]).rstrip(".")


@cache
def _schema() -> Json:
    return StargateJobSpec.model_json_schema()


def _schema_at(place: Place) -> Json:
    """Empty where the place is none that the models know."""
    here = _schema()
    for part in place:
        here = _resolved(_below(here, part))
    return here


def _below(here: Json, part: int | str) -> Json:
    if isinstance(part, int):
        found = here.get("items", {})
    else:
        inside = here.get("properties", {})
        found = inside.get(part) or inside.get(to_camel(part)) or here.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def _resolved(schema: Json) -> Json:
    """Behind references and `or null`; what is said on the way is kept."""
    said = {key: schema[key] for key in ("description",) if key in schema}
    while inner := next(_inside(schema), None):
        schema = {**inner, **said}
    return schema


def _inside(schema: Json) -> Iterator[Json]:
    if "$ref" in schema:
        yield _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            yield choice
