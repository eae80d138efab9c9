"""The training config: the article's dictionary, checked against the models before anything is sent.

Keys are the article's (`model_name`) or the resource's (`modelName`), at every level. The check is
strict: "100" is no number, an unknown key is no key.
"""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from pydantic import ValidationError

from stargate_api._client.complaints import Complaints
from stargate_api._client.exchange import Json
from stargate_api.errors import InvalidConfig, Problem
from stargate_types import API_VERSION, StargateJobSpec


def read(config: Mapping[str, Any]) -> StargateJobSpec:
    """Raises InvalidConfig with every problem at once."""
    if not isinstance(config, Mapping):
        raise InvalidConfig([Problem("", f"it must be a dictionary, not {_kind(config)}")])
    return _validated(config, prefix="")


def is_manifest(found: Mapping[str, Any]) -> bool:
    """A StargateJob rather than a config, which has neither field."""
    return "apiVersion" in found or "kind" in found


def read_manifest(manifest: Mapping[str, Any]) -> StargateJobSpec:
    """The spec of a StargateJob as it would be given to kubectl."""
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind != (API_VERSION, "StargateJob"):
        must = f"must be {API_VERSION} StargateJob, not {kind[0]} {kind[1]}"
        raise InvalidConfig([Problem("apiVersion and kind", must)], "the manifest")
    spec = manifest.get("spec")
    if not isinstance(spec, Mapping):
        raise InvalidConfig([Problem("spec", "is missing: what to train")], "the manifest")
    return _validated(spec, prefix="spec.")


def as_spec(spec: StargateJobSpec) -> Json:
    """What the caller said and no more: the server sets the defaults."""
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _validated(config: Mapping[str, Any], prefix: str) -> StargateJobSpec:
    plain = _plain(config, prefix.rstrip("."))
    try:
        return StargateJobSpec.model_validate_json(json.dumps(plain), strict=True, extra="forbid")
    except ValidationError as error:
        found = Complaints(plain, prefix).of(error)
    raise InvalidConfig(found)


def _plain(value: Any, path: str) -> Any:
    """As JSON has it; numpy's numbers and any mapping or sequence are welcome."""
    match value:
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return _finite(float(value), path)
        case Mapping():
            return {_key(key, path): _plain(each, _join(path, key)) for key, each in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(each, f"{path}[{index}]") for index, each in enumerate(value)]
        case _:
            must = (
                f"must be text, a number, true or false, a list or a dictionary, not {_kind(value)}"
            )
            raise InvalidConfig([Problem(path, must)])


def _finite(number: float, path: str) -> float:
    if number - number != 0:
        raise InvalidConfig([Problem(path, f"must be a finite number; it is {number}")])
    return number


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidConfig([Problem(path, f"has a key that is no text: {key!r}")])
    return key


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _kind(value: Any) -> str:
    return type(value).__name__
