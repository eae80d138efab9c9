"""The CRDs hold everything that the API server and a reader of `kubectl explain` need."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_types import crd
from stargate_types.openapi import openapi_schema

CRDS = Path(__file__).parents[3] / "crds"
Json = dict[str, Any]

THE_SERVERS_OWN = (".metadata", ".metadata.name")
"""It bounds them itself and refuses a description."""

every_kind = pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)


def schema_of(kind: crd.Kind) -> Json:
    return openapi_schema(kind.model)


def nodes(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every part of a schema with its path, `[]` for list items and `{}` for map values."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def fields(schema: Json) -> Iterator[tuple[str, Json]]:
    for path, node in nodes(schema):
        if path and not path.endswith(("[]", "{}")) and path not in THE_SERVERS_OWN:
            yield path, node


def strings(schema: Json) -> Iterator[tuple[str, Json]]:
    for path, node in nodes(schema):
        if node.get("type") == "string" and path not in THE_SERVERS_OWN:
            yield path, node


@every_kind
def test_crd_files_match_the_models(kind: crd.Kind) -> None:
    assert (CRDS / crd.file_name(kind)).read_text() == crd.to_yaml(kind), "run `make manifests`"


def test_crds_folder_has_no_other_file() -> None:
    assert {file.name for file in CRDS.iterdir()} == {crd.file_name(kind) for kind in crd.KINDS}


@every_kind
def test_every_field_has_a_description(kind: crd.Kind) -> None:
    assert [path for path, node in fields(schema_of(kind)) if not node.get("description")] == []


@every_kind
def test_every_list_and_map_is_bounded_and_typed(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        if node.get("type") == "array":
            assert node.get("maxItems"), path
            assert node["x-kubernetes-list-type"] in ("map", "set", "atomic"), path
        if "additionalProperties" in node:
            assert node.get("maxProperties"), path


@every_kind
def test_list_entries_require_the_keys_of_their_list(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        keys = node.get("x-kubernetes-list-map-keys", [])
        assert set(keys) <= set(node.get("items", {}).get("required", [])), path


@every_kind
def test_every_string_is_bounded(kind: crd.Kind) -> None:
    bounds = ("maxLength", "enum", "format")
    loose = [path for path, node in strings(schema_of(kind)) if not any(b in node for b in bounds)]
    assert loose == []


@every_kind
def test_every_integer_says_its_width_and_least_value(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        if node.get("type") == "integer":
            assert node["format"] in ("int32", "int64"), path
            assert "minimum" in node or path.endswith(".exitCode"), path


@every_kind
def test_schema_is_structural(kind: crd.Kind) -> None:
    foreign = {"$ref", "$defs", "anyOf", "allOf", "title", "propertyNames", "patternProperties"}
    for path, node in nodes(schema_of(kind)):
        assert not foreign & set(node), path
        assert "x-kubernetes-preserve-unknown-fields" not in node, path
        assert ("type" in node) != ("x-kubernetes-int-or-string" in node), path


@every_kind
def test_every_rule_has_a_message(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"], path
            assert rule.get("fieldPath", ".x").startswith("."), path


def test_status_schema_has_no_default() -> None:
    status = schema_of(crd.JOB)["properties"]["status"]
    assert [path for path, node in nodes(status) if "default" in node] == []


def test_defaults_hold_no_null() -> None:
    spec = schema_of(crd.JOB)["properties"]["spec"]["properties"]
    assert spec["checkpoint"]["default"] == {"retain": 3}
    assert spec["restartPolicy"]["default"] == {"maxRestarts": 10}
    assert "default" not in spec["template"]


def test_quantity_is_an_integer_or_a_string() -> None:
    template = schema_of(crd.JOB)["properties"]["spec"]["properties"]["template"]
    assert template["properties"]["cpu"] == {
        "description": "CPU of each worker: request and limit. The runtime's by default.",
        "x-kubernetes-int-or-string": True,
        "minimum": 0,
        "maxLength": 32,
        "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$",
    }


def test_job_columns_of_kubectl_get() -> None:
    [version] = crd.definition(crd.JOB)["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if column["priority"] == 0]
    assert shown == ["Phase", "Ready", "Epoch", "Percent", "Checkpoint", "Restarts", "Age"]


@every_kind
def test_columns_and_selectors_name_fields_of_the_schema(kind: crd.Kind) -> None:
    known = {path.replace("[]", "") for path, _ in nodes(schema_of(kind))}
    paths = [*(column.path for column in kind.columns), *kind.selectable]
    for path in paths:
        plain = path.replace('[?(@.state=="Complete")]', "").replace("[*]", "")
        assert plain in known or plain == ".metadata.creationTimestamp", path


def test_main_writes_one_file_a_kind(tmp_path: Path) -> None:
    crd.main([str(tmp_path / "out")])
    written = {file.name: yaml.safe_load(file.read_text()) for file in (tmp_path / "out").iterdir()}
    assert {name: body["metadata"]["name"] for name, body in written.items()} == {
        "stargate.dev_acceleratorclasses.yaml": "acceleratorclasses.stargate.dev",
        "stargate.dev_computeblocks.yaml": "computeblocks.stargate.dev",
        "stargate.dev_stargatejobs.yaml": "stargatejobs.stargate.dev",
        "stargate.dev_stargateruntimes.yaml": "stargateruntimes.stargate.dev",
    }


@every_kind
def test_no_field_takes_a_namespace(kind: crd.Kind) -> None:
    """Every reference stays in its own namespace, or names what has none."""
    names = set(_field_names(openapi_schema(kind.model)["properties"]["spec"]))
    assert len(names) > 3
    assert not {name for name in names if "namespace" in name.lower()}


def _field_names(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from _field_names(field)
    if "items" in schema:
        yield from _field_names(schema["items"])
