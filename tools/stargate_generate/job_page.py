"""Writes the tables of docs/job.md: every field of a StargateJob's spec and status.

They follow from the schema that the API server gets, so that the page shows the bounds, defaults and
rules that are enforced. `python -m stargate_generate.job_page`; `make manifests` calls it.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stargate_generate.markdown import Row, table, with_part
from stargate_types import StargateJob
from stargate_types.openapi import openapi_schema

PAGE = Path(__file__).parents[2] / "docs" / "job.md"
IMMUTABLE = "is immutable"
PARTS = ("spec", "status")

Schema = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """One object of the schema; `path` is where it stands, with `[]` for the items of a list."""

    path: str
    schema: Schema

    @property
    def in_status(self) -> bool:
        return self.path.partition(".")[0] == "status"

    @property
    def fields(self) -> list[str]:
        return list(self.schema["properties"])


@dataclass
class Sections:
    """The sections by their fields, so that two fields of one type share a section."""

    all: list[Section] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, schema: Schema) -> None:
        fields = _fields_of(schema)
        if fields in self.paths:
            return
        self.paths[fields] = path
        self.all.append(Section(path, schema))
        for name, child in schema["properties"].items():
            if (found := _object_in(f"{path}.{name}", child)) is not None:
                self.add(*found)

    def path_of(self, schema: Schema) -> str:
        return self.paths[_fields_of(schema)]


def page(before: str) -> str:
    for part in PARTS:
        before = with_part(before, part, _part(part))
    return before


def paths(part: str) -> list[str]:
    """Paths of all fields below `part`, as the page names them."""
    return [f"{section.path}.{name}" for section in _sections(part).all for name in section.fields]


def _sections(part: str) -> Sections:
    sections = Sections()
    sections.add(part, openapi_schema(StargateJob)["properties"][part])
    return sections


def _part(part: str) -> str:
    sections = _sections(part)
    return "\n\n".join(_text(section, sections) for section in sections.all)


def _text(section: Section, sections: Sections) -> str:
    third = "present" if section.in_status else "default"
    rows = [_row(section, name, sections) for name in section.fields]
    rules = [f"- {rule}" for rule in _rules(section.schema)]
    paragraphs = [
        f"### {section.path}",
        section.schema.get("description", ""),
        table(("field", "type", third, "meaning"), rows),
        "\n".join(rules),
    ]
    return "\n\n".join(filter(None, paragraphs))


def _row(section: Section, name: str, sections: Sections) -> Row:
    schema = section.schema["properties"][name]
    found = _object_in(f"{section.path}.{name}", schema)
    link = f"[`{name}`](#{_anchor(sections.path_of(found[1]))})" if found else f"`{name}`"
    default = (
        _present(section.schema, name) if section.in_status else _default(section.schema, name)
    )
    return link, _type(schema), default, _meaning(section, name)


def _object_in(path: str, schema: Schema) -> tuple[str, Schema] | None:
    """The object that a field holds, itself or as the items of a list."""
    if "properties" in schema:
        return path, schema
    if "properties" in schema.get("items", {}):
        return f"{path}[]", schema["items"]
    return None


def _fields_of(schema: Schema) -> str:
    return json.dumps(schema["properties"], sort_keys=True)


def _anchor(path: str) -> str:
    return re.sub(r"[^\w-]", "", path.lower())


def _meaning(section: Section, name: str) -> str:
    schema = section.schema["properties"][name]
    said = [schema.get("description", ""), *map(_sentence, _forms(schema))]
    if any(rule.get("fieldPath") == f".{name}" for rule in _immutables(section.schema)):
        said.append("Immutable.")
    return " ".join(filter(None, said))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _forms(schema: Schema) -> list[str]:
    """The form that a text must have: rules of the field itself, or of each item."""
    own = [] if "properties" in schema else schema.get("x-kubernetes-validations", [])
    items = schema.get("items", schema.get("additionalProperties", {}))
    return [rule["message"] for rule in own] + (_forms(items) if items else [])


def _immutables(schema: Schema) -> list[Schema]:
    rules = schema.get("x-kubernetes-validations", [])
    return [rule for rule in rules if IMMUTABLE in rule["message"]]


def _rules(schema: Schema) -> list[str]:
    rules = schema.get("x-kubernetes-validations", [])
    return [_code(rule["message"]) for rule in rules if rule not in _immutables(schema)]


def _code(message: str) -> str:
    """Names of fields in a rule's message, marked as such."""
    return re.sub(r"(?<![\w`./'])((?:spec|metadata)(?:\.\w+)+)", r"`\1`", message)


def _present(parent: Schema, name: str) -> str:
    return "always" if name in parent.get("required", ()) else ""


def _default(parent: Schema, name: str) -> str:
    if name in parent.get("required", ()):
        return "required"
    default = parent["properties"][name].get("default")
    return "" if default is None or isinstance(default, dict | list) else f"`{_plain(default)}`"


def _plain(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else (str(value) or '""')


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity, such as `500m` or `16Gi`"
    kind = schema["type"]
    if kind == "array":
        return _many("list", schema["items"], schema.get("maxItems"))
    if kind == "object" and "properties" not in schema:
        return _many("map", schema["additionalProperties"], schema.get("maxProperties"))
    return f"{_scalar(schema)}{_bounds(schema)}"


def _many(what: str, entry: Schema, most: int | None) -> str:
    number = "" if most is None else f"at most {most:,} "
    each = _bounds(entry).replace(",", ", each", 1)
    return f"{what} of {number}{_scalar(entry)}s{each}"


def _scalar(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" if value else '`""`' for value in schema["enum"])
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f", {least or 0:,} to {most:,}"
    if least is not None:
        return f", at least {least:,}"
    return _at_most(schema.get("maxLength"), "characters")


def _at_most(most: int | None, what: str) -> str:
    return "" if most is None else f", at most {most:,} {what}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
