"""Decides whether a default may be applied: never over an object that somebody edited or made.

See docs/decisions/0035-edited-defaults-are-left-alone.md.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from stargate_operator.defaults.manifest import Default, Json
from stargate_operator.kube.meta import ObjectMeta
from stargate_types.base import INSTALLED_SPEC


class Live(msgspec.Struct, frozen=True):
    """The object as it stands in the cluster."""

    metadata: ObjectMeta
    spec: Json = {}


@dataclass(frozen=True)
class Ownership:
    """The decision if a default is applied to the cluster, and its reason.

    `standing`: the cluster has it already. `left_alone`: the object belongs to somebody else.
    """

    verdict: Literal["apply", "standing", "left_alone"]
    why: str = ""


def judge(default: Default, live: Live | None) -> Ownership:
    if live is None:
        return Ownership("apply", "there is none")
    said = (live.metadata.annotations or {}).get(INSTALLED_SPEC)
    if said is None:
        return Ownership("left_alone", "somebody else made it")
    installed = _decoded(said)
    edited = first_change(installed, live.spec)
    if edited is not None:
        return Ownership("left_alone", f"somebody changed {edited}")
    if installed == default.spec:
        return Ownership("standing")
    return Ownership("apply", "the default has changed")


def _decoded(said: str) -> object:
    try:
        return msgspec.json.decode(said)
    except msgspec.MsgspecError:
        return said  # somebody edited the annotation, so no spec equals it


def first_change(installed: Any, live: Any, path: str = "spec") -> str | None:
    """The path of the first field of `installed` that `live` has changed. Added fields do not count."""
    match installed, live:
        case dict(), dict():
            changes = (
                first_change(value, live.get(key), f"{path}.{key}")
                for key, value in installed.items()
            )
            return next((change for change in changes if change), None)
        case list(), list():
            kept = all(any(not first_change(one, other) for other in live) for one in installed)
            return None if kept else path
    return None if installed == live else path
