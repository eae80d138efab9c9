"""The rights that the chart grants to the operator, and the rights that its requests needed."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

_ACCOUNT = ":stargate-operator"
_AGENTS = ("stargate-operator/", "kopf/")
"""User agents of the operator's own clients. Tests that use its token have other agents."""
_CREATED = 201


class Right(NamedTuple):
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" of {self.group}" if self.group else "")


@dataclass(frozen=True)
class Asked:
    """One request to the API server. `request` is its URL, for error messages."""

    right: Right
    allowed: bool
    request: str


def granted(roles: Iterable[Json]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(logs: Iterable[Path]) -> Iterator[Asked]:
    """The requests of operators in the audit logs of API servers."""
    for log in logs:
        whole = log.read_text().rpartition("\n")[0]  # the last line may be incomplete
        for line in whole.splitlines():
            yield from _asked(json.loads(line))


def _asked(entry: Json) -> Iterator[Asked]:
    """Skips other users, and discovery requests, which every client may send."""
    reference = entry.get("objectRef") or {}
    ours = entry["user"]["username"].endswith(_ACCOUNT)
    if (
        not ours
        or "resource" not in reference
        or not entry.get("userAgent", "").startswith(_AGENTS)
    ):
        return
    group, resource = reference.get("apiGroup", ""), _resource(reference)
    allowed = entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow"
    for verb in _verbs(entry):
        yield Asked(Right(group, resource, verb), allowed, entry["requestURI"])


def _resource(reference: Json) -> str:
    return "/".join(filter(None, (reference["resource"], reference.get("subresource"))))


def _verbs(entry: Json) -> Iterator[str]:
    """An apply that creates an object also needs the right to create it."""
    yield entry["verb"]
    if entry["verb"] == "patch" and entry.get("responseStatus", {}).get("code") == _CREATED:
        yield "create"
