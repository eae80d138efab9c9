"""Turns pydantic's errors into messages for a researcher: the field as they wrote it, and its fix.

The description of a field, its format and the names of its neighbours come from the models' JSON
schema, so a new field needs no change here. A message repeats a value only where the value is short
and cannot be a secret: never inside `template`, which holds environment variables.
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
Location = tuple[int | str, ...]
"""Keys and indexes from the top of a config down to one field."""

_MAX_SHOWN_CHARACTERS = 40
_EXPECTED_TYPES = {
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


class ProblemWriter:
    """Writes the problems of one config. `prefix` stands before every field: `spec.` in a manifest.

    Field names appear in the style that the config uses more often, snake_case or camelCase.
    """

    def __init__(self, config: Mapping[str, Any], prefix: str = "") -> None:
        self._prefix = prefix
        snake = sum("_" in key for key in config)
        self._camel = sum(to_snake(key) != key for key in config) > snake

    def problems(self, error: ValidationError) -> list[Problem]:
        """One problem for each of pydantic's errors, in pydantic's order."""
        return [self._problem(detail) for detail in error.errors(include_url=False)]

    def _problem(self, detail: Any) -> Problem:
        location: Location = detail["loc"]
        return Problem(self._prefix + self._name(location), self._message(detail, location))

    def _message(self, detail: Any, location: Location) -> str:
        schema = _schema_at(location)
        match detail["type"]:
            case "missing":
                return f"is missing: {_lower_first(str(schema.get('description', '')))}"
            case "extra_forbidden":
                return self._unknown_key(location)
            case "string_pattern_mismatch" if "must" in schema:
                return f"{schema['must']}{_actual_value(location, detail['input'])}"
            case _:
                return f"must be {_expected(detail)}{_actual_value(location, detail['input'])}"

    def _unknown_key(self, location: Location) -> str:
        wrong = str(location[-1])
        known = list(_schema_at(location[:-1]).get("properties", {}))
        if to_camel(wrong) in known:
            return f"is given twice: the same as {to_camel(wrong)}"
        close = get_close_matches(to_camel(wrong), known, n=1, cutoff=0.5)
        if close:
            return f"is unknown; did you mean {self._styled(close[0])}?"
        return f"is unknown; known here: {', '.join(map(self._styled, sorted(known)))}"

    def _name(self, location: Location) -> str:
        text = ""
        for part in location:
            text += f"[{part}]" if isinstance(part, int) else f".{self._styled(part)}"
        return text.removeprefix(".")

    def _styled(self, name: str) -> str:
        """The field name in this config's style."""
        return name if self._camel else to_snake(name)


def _expected(detail: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        key, comparison = _BOUNDS[kind]
        return f"{comparison} {context[key]:,}"
    if kind == "literal_error":
        return str(context["expected"])
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind.startswith("string") else "entries"
        return f"at most {context['max_length']:,} {unit} long"
    if kind == "string_too_short":
        return "a text that is not empty"
    if kind in _EXPECTED_TYPES:
        return _EXPECTED_TYPES[kind]
    return f"otherwise: {detail['msg']}"


def _actual_value(location: Location, value: Any) -> str:
    """The end of a message: the value that was given, where it is safe to repeat and helps."""
    if location[0] == "template":
        return ""
    match value:
        case bool():
            return f"; it is {str(value).lower()}"
        case int() | float():
            return f"; it is {value:,}"
        case str() if len(value) <= _MAX_SHOWN_CHARACTERS:
            return f"; it is the text {value!r}"
        case Mapping():
            return "; it is a dictionary"
        case Sequence() if not isinstance(value, str):
            return "; it is a list"
        case None:
            return "; it is null"
        case _:
            return ""


def _lower_first(sentence: str) -> str:
    """The sentence as it continues after a colon. A leading abbreviation keeps its capitals."""
    first = sentence[:1] if sentence[1:2].isupper() else sentence[:1].lower()
    return (first + sentence[1:]).rstrip(".")


@cache
def _schema() -> Json:
    return StargateJobSpec.model_json_schema()


def _schema_at(location: Location) -> Json:
    """The JSON schema of one field; empty where the models have no such field."""
    schema = _schema()
    for part in location:
        schema = _resolved(_child(schema, part))
    return schema


def _child(schema: Json, part: int | str) -> Json:
    if isinstance(part, int):
        found = schema.get("items", {})
    else:
        fields = schema.get("properties", {})
        found = fields.get(part) or fields.get(to_camel(part)) or schema.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def _resolved(schema: Json) -> Json:
    """Follows references and drops `or null`. The field's own description wins over its type's."""
    own = {key: schema[key] for key in ("description",) if key in schema}
    while target := next(_targets(schema), None):
        schema = {**target, **own}
    return schema


def _targets(schema: Json) -> Iterator[Json]:
    if "$ref" in schema:
        yield _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            yield choice
