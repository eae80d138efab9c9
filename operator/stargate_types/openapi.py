"""Translates pydantic's JSON schema into the structural schema of a CustomResourceDefinition.

The API server requires a *structural* schema: no `$ref`, no null, and no union except int-or-string.
Every list, map and string needs a bound, because the server estimates the cost of each CEL rule from
the largest object that the schema allows. This module knows no single field.
"""

from collections.abc import Iterator
from typing import Any

from stargate_types.base import Model

Json = dict[str, Any]

_INT32 = 2**31 - 1
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
