"""Generates the CustomResourceDefinitions from the models.

The API server requires a *structural* schema: no `$ref`, no null, and no union except int-or-string.
Every list, map and string needs a bound, because the server estimates the cost of each CEL rule from
the largest object that the schema allows. This module translates pydantic's JSON schema into that
form; it knows no single field.

`python -m stargate_types.crd crds/` writes one file for each kind; `make manifests` calls it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from stargate_types import (
    GROUP,
    VERSION,
    AcceleratorClass,
    ComputeBlock,
    StargateJob,
    StargateRuntime,
)
from stargate_types.base import Model

Json = dict[str, Any]

HEADER = "# Generated from operator/stargate_types by `make manifests`; edit the models instead.\n"


class Column(NamedTuple):
    """A column of `kubectl get`; `wide` ones only show with `-o wide`."""

    name: str
    type: str
    path: str
    description: str
    wide: bool = False

    def manifest(self) -> Json:
        """The entry of `additionalPrinterColumns`."""
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            "priority": int(self.wide),
        }


AGE = Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created.")


class Kind(NamedTuple):
    """The properties of a kind's CRD that its model does not hold."""

    model: type[Model]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    namespaced: bool = False
    categories: tuple[str, ...] = ("stargate",)
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind in a manifest, such as StargateJob."""
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        """Name of the CRD object."""
        return f"{self.plural}.{GROUP}"

    @property
    def has_status(self) -> bool:
        """Whether the kind has a status, and with it the status subresource."""
        return "status" in self.model.model_fields


JOB = Kind(
    StargateJob,
    "stargatejobs",
    "sj",
    columns=(
        Column("Phase", "string", ".status.phase", "Where the job is in its life."),
        Column("Ready", "integer", ".status.workers.ready", "Workers that are ready."),
        Column("Desired", "integer", ".status.workers.desired", "Workers wanted.", wide=True),
        Column("Epoch", "integer", ".status.progress.epoch", "Epochs completed."),
        Column("Percent", "number", ".status.progress.percent", "Epochs completed, in percent."),
        Column(
            "Checkpoint",
            "integer",
            '.status.checkpoints.history[?(@.state=="Complete")].epoch',
            "Epoch of the latest complete checkpoint.",
        ),
        Column("Restarts", "integer", ".status.restarts", "Attempts ended by a failure."),
        AGE,
        Column("Attempt", "integer", ".status.attempt", "The current attempt.", wide=True),
        Column("Model", "string", ".spec.modelName", "The model that is trained.", wide=True),
        Column("Accelerator", "string", ".spec.acceleratorType", "The hardware.", wide=True),
        Column("Runtime", "string", ".spec.runtime", "The runtime that it names.", wide=True),
    ),
    namespaced=True,
    categories=("all", "stargate"),
    selectable=(".spec.acceleratorType", ".spec.runtime", ".status.phase"),
)
RUNTIME = Kind(
    StargateRuntime,
    "stargateruntimes",
    "srt",
    columns=(
        Column("Default", "boolean", ".spec.isDefault", "Whether jobs get it by default."),
        Column("Image", "string", ".spec.image", "Image of the worker."),
        Column("Security", "string", ".spec.podSecurity", "Pod Security of the worker."),
        Column(
            "Checkpoints",
            "string",
            ".spec.checkpoint.uriPrefix",
            "Folder for checkpoints.",
            wide=True,
        ),
        AGE,
    ),
    selectable=(".spec.isDefault",),
)
ACCELERATOR = Kind(
    AcceleratorClass,
    "acceleratorclasses",
    "acc",
    columns=(
        Column("Type", "string", ".spec.acceleratorType", "The name that jobs use."),
        Column("Resource", "string", ".spec.resourceName", "What the device plugin advertises."),
        Column(
            "Equivalents",
            "integer",
            ".spec.gpuEquivalentsPerDevice",
            "GPU equivalents of one device.",
        ),
        Column("Watts", "integer", ".spec.wattsPerDevice", "Power of one device.", wide=True),
        AGE,
    ),
    selectable=(".spec.acceleratorType",),
)
BLOCK = Kind(
    ComputeBlock,
    "computeblocks",
    "cb",
    columns=(
        Column("Accelerators", "string", ".status.accelerators[*].acceleratorType", "Types."),
        Column("Nodes", "string", ".status.accelerators[*].nodes", "Usable, of each type."),
        Column("Free", "string", ".status.accelerators[*].freeNodes", "Wholly, of each type."),
        Column("Latency", "number", ".spec.maxLatencyMs", "Between two nodes, in ms."),
        Column("Bandwidth", "number", ".spec.bandwidthGbps", "Of each node, in Gbit/s."),
        Column("PUE", "number", ".spec.pue", "Power usage effectiveness."),
        Column("Counted", "date", ".status.observedTime", "Age of the count.", wide=True),
        AGE,
    ),
)
KINDS = (JOB, RUNTIME, ACCELERATOR, BLOCK)


def definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": _names(kind),
            "versions": [_version(kind)],
        },
    }


def _names(kind: Kind) -> Json:
    return {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short_name],
        "categories": list(kind.categories),
    }


def _version(kind: Kind) -> Json:
    version: Json = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "schema": {"openAPIV3Schema": openapi_schema(kind.model)},
    }
    if kind.has_status:
        version["subresources"] = {"status": {}}
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return version


_OF_EVERY_OBJECT: Json = {
    "apiVersion": {
        "type": "string",
        "maxLength": 253,
        "description": "Group and version of the schema.",
    },
    "kind": {"type": "string", "maxLength": 63, "description": "Kind of the object."},
    # The server allows no description of metadata. A rule can refer to the name only if it is here.
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def openapi_schema(model: type[Model]) -> Json:
    """The structural schema of a whole object."""
    source = model.model_json_schema(by_alias=True)
    root = _structural(source, source.get("$defs", {}))
    root["properties"] = {**root["properties"], **_OF_EVERY_OBJECT}
    if "status" in root["properties"]:
        _forget_defaults(root["properties"]["status"])
    return root


def _forget_defaults(node: Json) -> None:
    """Removes defaults from a status: the server must add nothing to what the operator wrote."""
    node.pop("default", None)
    for child in _children(node):
        _forget_defaults(child)


def _children(node: Json) -> Iterator[Json]:
    yield from node.get("properties", {}).values()
    yield from (node[key] for key in ("items", "additionalProperties") if key in node)


def _structural(source: Json, defs: Json) -> Json:
    node = _resolved(source, defs)
    kind = "int-or-string" if "x-kubernetes-int-or-string" in node else node["type"]
    schema = {} if kind == "int-or-string" else {"type": kind}
    schema |= {key: node[key] for key in _KEPT if key in node}
    schema |= _bounds(node)
    if node.get("default") is not None:
        schema["default"] = _without_nulls(node["default"])
    if kind == "array":
        schema |= _array(node, defs)
    if kind == "object":
        schema |= _object(node, defs)
    if rules := [*_form(node), *map(_rule, node.get("rules", ()))]:
        schema["x-kubernetes-validations"] = rules
    return schema


_KEPT = (
    "description",
    "enum",
    "format",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string",
)


def _resolved(source: Json, defs: Json) -> Json:
    """Replaces `$ref` by its target, and drops the null of an optional field, which is just absent."""
    if "$ref" in source:
        target = defs[source["$ref"].removeprefix("#/$defs/")]
        return _resolved({**target, **_siblings(source, "$ref")}, defs)
    if "anyOf" in source and "x-kubernetes-int-or-string" not in source:
        [only] = [option for option in source["anyOf"] if option.get("type") != "null"]
        return _resolved({**only, **_siblings(source, "anyOf")}, defs)
    return source


def _siblings(source: Json, key: str) -> Json:
    return {k: v for k, v in source.items() if k != key}


_INT32 = 2**31 - 1


def _bounds(node: Json) -> Json:
    bounds: Json = {key: node[key] for key in ("minimum", "maximum") if key in node}
    if node.get("type") == "integer":
        bounds["format"] = "int32" if bounds.get("maximum", _INT32 + 1) <= _INT32 else "int64"
    if "pattern" in node and "must" not in node:
        bounds["pattern"] = node["pattern"]
    return bounds


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _array(node: Json, defs: Json) -> Json:
    schema: Json = {"items": _structural(node["items"], defs)}
    if "key" in node:
        return schema | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [node["key"]],
        }
    return schema | {"x-kubernetes-list-type": "set" if node.get("unique") else "atomic"}


def _object(node: Json, defs: Json) -> Json:
    if "properties" not in node:
        return {"additionalProperties": _structural(_values(node), defs)}
    fields = {k: v for k, v in node["properties"].items() if k != "metadata"}
    schema: Json = {"properties": {k: _structural(v, defs) for k, v in fields.items()}}
    if required := node.get("required"):
        schema["required"] = required
    return schema


def _values(mapping: Json) -> Json:
    """The schema of a map's values. pydantic puts it under the pattern of the keys, if they have one."""
    values: Json
    [values] = mapping.get("patternProperties", {"": mapping.get("additionalProperties")}).values()
    return values


def _form(node: Json) -> list[Json]:
    """Turns a pattern with a message into a CEL rule: the server would answer with the pattern alone."""
    if "must" in node:
        return [{"rule": f"self.matches(r'{node['pattern']}')", "message": node["must"]}]
    if "patternProperties" in node:
        [pattern] = node["patternProperties"]
        rule = f"self.all(key, key.matches(r'{pattern}'))"
        return [{"rule": rule, "message": f"every key {node['propertyNames']['must']}"}]
    return []


def _rule(rule: Json) -> Json:
    stated = {"rule": rule["rule"], "message": rule["message"], "reason": rule["reason"]}
    if rule["field_path"]:
        stated["fieldPath"] = rule["field_path"]
    return stated


class _Dumper(yaml.SafeDumper):
    """Writes no YAML anchors: a repeated part of a schema is written out each time."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def file_name(kind: Kind) -> str:
    """Name of the kind's file in `crds/`."""
    return f"{GROUP}_{kind.plural}.yaml"


def to_yaml(kind: Kind) -> str:
    """Content of the kind's file in `crds/`."""
    body: str = yaml.dump(
        definition(kind), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )
    return HEADER + body


def main(arguments: list[str]) -> None:
    """Writes a file for each kind into the directory that the first argument names."""
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (directory / file_name(kind)).write_text(to_yaml(kind))


if __name__ == "__main__":
    main(sys.argv[1:])
