"""Reads a training config and checks it against the models before anything is sent.

Keys may be in the article's style (`model_name`) or in the resource's (`modelName`), at every level.
The check is strict: the text "100" is not a number, and an unknown key is an error.
"""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from pydantic import ValidationError

from stargate_api._client.steps import Json
from stargate_api._client.validation import ProblemWriter
from stargate_api.errors import InvalidConfig, Problem
from stargate_types import API_VERSION, StargateJobSpec


def read(config: Mapping[str, Any]) -> StargateJobSpec:
    """The spec of a config. Raises InvalidConfig, with every problem at once."""
    if not isinstance(config, Mapping):
        raise InvalidConfig([Problem("", f"it must be a dictionary, not {_type_name(config)}")])
    return _validated(config, prefix="")


def is_manifest(document: Mapping[str, Any]) -> bool:
    """True if this is a StargateJob manifest. A training config has neither apiVersion nor kind."""
    return "apiVersion" in document or "kind" in document


def read_manifest(manifest: Mapping[str, Any]) -> StargateJobSpec:
    """The spec of a StargateJob manifest, as kubectl takes it. Raises InvalidConfig."""
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind != (API_VERSION, "StargateJob"):
        must = f"must be {API_VERSION} StargateJob, not {kind[0]} {kind[1]}"
        raise InvalidConfig([Problem("apiVersion and kind", must)], "the manifest")
    spec = manifest.get("spec")
    if not isinstance(spec, Mapping):
        raise InvalidConfig([Problem("spec", "is missing: what to train")], "the manifest")
    return _validated(spec, prefix="spec.")


def as_spec(spec: StargateJobSpec) -> Json:
    """The spec as JSON with only the fields that the caller set: the server sets the defaults."""
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _validated(config: Mapping[str, Any], prefix: str) -> StargateJobSpec:
    plain = _plain(config, prefix.rstrip("."))
    try:
        return StargateJobSpec.model_validate_json(json.dumps(plain), strict=True, extra="forbid")
    except ValidationError as error:
        problems = ProblemWriter(plain, prefix).problems(error)
    raise InvalidConfig(problems)


def _plain(value: Any, path: str) -> Any:
    """The value as JSON types. Takes numpy numbers, and any mapping or sequence."""
    match value:
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return _finite(float(value), path)
        case Mapping():
            return {_key(key, path): _plain(item, _join(path, key)) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
        case _:
            accepted = "text, a number, true or false, a list or a dictionary"
            must = f"must be {accepted}, not {_type_name(value)}"
            raise InvalidConfig([Problem(path, must)])


def _finite(number: float, path: str) -> float:
    if number - number != 0:
        raise InvalidConfig([Problem(path, f"must be a finite number; it is {number}")])
    return number


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidConfig([Problem(path, f"has a key that is not text: {key!r}")])
    return key


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _type_name(value: Any) -> str:
    return type(value).__name__
