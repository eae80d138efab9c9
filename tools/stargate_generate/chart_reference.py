"""Writes the documentation and the schema of the chart's values from their one source.

`python -m stargate_generate.chart_reference` puts the comments of values.yaml (`# --` above each key)
into a table of the chart's README, and the operator's settings into it and values.schema.json.

See docs/decisions/0041-the-values-schema-is-closed.md.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from stargate_generate.markdown import table, with_part
from stargate_lab.cluster.chart import CHART
from stargate_operator.settings import Settings

README = CHART / "README.md"
SCHEMA = CHART / "values.schema.json"
VALUES = CHART / "values.yaml"
OF_THE_CHART = frozenset(
    {
        "kubeconfig",
        "namespace",
        "pod_name",
        "leader_identity",
        "watch_namespaces",
        "defaults_directory",
        "reports_host",
        "reports_port",
        "reports_url",
        "reports_certificate",
        "reports_key",
        "reports_ca",
        "probes_host",
        "probes_port",
    }
)
"""Settings that must fit the chart's own objects, so that no value changes them."""
_LONGEST = 60
_MARK = "# --"


@dataclass(frozen=True)
class Value:
    key: str
    default: Any
    description: str


def main() -> None:
    README.write_text(readme(README.read_text(), VALUES.read_text()))
    SCHEMA.write_text(schema(SCHEMA.read_text()))


def readme(page: str, values: str) -> str:
    found = [*documented(values), *settings(yaml.safe_load(values)["settings"])]
    rows = [(f"`{value.key}`", _shown(value), value.description) for value in found]
    return with_part(page, "values", table(("value", "default", "meaning"), rows))


def documented(text: str) -> Iterator[Value]:
    """Every value that has a comment; the values nested below it have none of their own."""
    yield from _below("", yaml.compose(text), yaml.safe_load(text), text.splitlines())


def _below(path: str, node: yaml.Node | None, value: Any, lines: list[str]) -> Iterator[Value]:
    assert isinstance(node, yaml.MappingNode), f"{path} has no comment of its own"
    for key, child in node.value:
        name = f"{path}.{key.value}".lstrip(".")
        said = _comment_above(lines, key.start_mark.line)
        if said:
            yield Value(name, value[key.value], said)
        else:
            yield from _below(name, child, value[key.value], lines)


def _comment_above(lines: list[str], line: int) -> str:
    """The text after the mark; a line without the mark continues the line before."""
    said: list[str] = []
    for text in (each.strip() for each in reversed(lines[:line])):
        if not text.startswith("#"):
            break
        if text.startswith(_MARK):
            return " ".join([text.removeprefix(_MARK).strip(), *reversed(said)])
        said.append(text.removeprefix("#").strip())
    return ""


def _shown(value: Value) -> str:
    text = json.dumps(value.default, ensure_ascii=False)
    return f"`{text}`" if len(text) <= _LONGEST else "see values.yaml"


def schema(text: str) -> str:
    """The chart's schema, with the operator's own schema as `settings`."""
    known = json.loads(text)
    known["properties"]["settings"]["properties"] = {
        name: _bounds(field) for name, field in _settings()
    }
    return _compact(json.dumps(known, indent=2, ensure_ascii=False)) + "\n"


def settings(chosen: dict[str, Any]) -> Iterator[Value]:
    """The schema of the operator's settings, without those that the chart sets itself."""
    for name, field in _settings():
        default = chosen.get(name, field["default"])
        yield Value(f"settings.{name}", default, field["description"])


def _bounds(field: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in field.items() if key not in ("title", "default")}


def _settings() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in Settings.model_json_schema()["properties"].items():
        if name not in OF_THE_CHART:
            yield camel(name), field


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def _compact(text: str) -> str:
    """JSON in which each object that fits one line is on one line."""
    flat = re.compile(r"([\[{])\n\s*([^\[\]{}]*?)\n\s*([\]}])")
    return flat.sub(_joined, text)


def _joined(match: re.Match[str]) -> str:
    inside = re.sub(r"\n\s*", " ", match[2])
    line = f"{match[1]}{inside}{match[3]}"
    return line if len(line) <= 2 * _LONGEST else match[0]


if __name__ == "__main__":
    main()
