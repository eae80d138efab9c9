"""Reads one default from its file, or says why the file has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import yaml

from stargate_types import API_VERSION
from stargate_types.base import INSTALLED_SPEC

Json = dict[str, Any]

_PLURALS: Final = {
    "AcceleratorClass": "acceleratorclasses",
    "ComputeBlock": "computeblocks",
    "StargateRuntime": "stargateruntimes",
}

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


class BadDefaultError(ValueError):
    """The file states no default. The message tells its author what is wrong."""


@dataclass(frozen=True)
class Default:
    """One runtime, class or block that an install brings, as its manifest states it."""

    kind: str
    name: str
    spec: Json

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def path(self) -> str:
        return f"/apis/{API_VERSION}/{_PLURALS[self.kind]}/{self.name}"

    def body(self, resource_version: str = "") -> bytes:
        """The manifest to apply. An annotation has the spec, which tells a
        later edit from a newer default."""
        installed = msgspec.json.encode(self.spec, order="deterministic").decode()
        fence = {"resourceVersion": resource_version} if resource_version else {}
        return msgspec.json.encode(
            {
                "apiVersion": API_VERSION,
                "kind": self.kind,
                "metadata": {
                    "name": self.name,
                    "annotations": {INSTALLED_SPEC: installed},
                    **fence,
                },
                "spec": self.spec,
            }
        )


def read(raw: bytes) -> Default:
    """The default of one file. The API server checks the spec when it is applied."""
    stated = _only_object(raw)
    kind, meta, spec = stated.get("kind"), stated.get("metadata"), stated.get("spec")
    if stated.get("apiVersion") != API_VERSION or kind not in _PLURALS:
        raise BadDefaultError(
            f"it states {kind!r} of {stated.get('apiVersion')!r}, and only"
            f" {', '.join(_PLURALS)} of {API_VERSION} are brought"
        )
    if not isinstance(spec, Mapping):
        raise BadDefaultError("it has no spec")
    return Default(kind, _name(meta), _without_nulls(spec))


def _only_object(raw: bytes) -> Json:
    try:
        objects = [stated for stated in yaml.safe_load_all(raw) if stated is not None]
        stated = msgspec.json.decode(msgspec.json.encode(objects))
    except (yaml.YAMLError, msgspec.MsgspecError, TypeError, ValueError) as error:
        raise BadDefaultError(f"it is no YAML of an object: {error}") from error
    if len(stated) != 1 or not isinstance(stated[0], dict):
        raise BadDefaultError(f"it states {len(stated)} objects, and one each is read")
    found: Json = stated[0]
    return found


def _name(meta: object) -> str:
    match meta:
        case {"name": str(name), **more} if _NAME.fullmatch(name) and not more:
            return name
    raise BadDefaultError("its metadata must be a name (a-z, 0-9, - and .), and nothing else")


def _without_nulls(value: Any) -> Any:
    """The value as the API server keeps it, without the fields that are null."""
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_nulls(child) for child in value]
    return value
