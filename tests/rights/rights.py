"""What the chart lets the operator do, and what it was seen to ask for: sets of the same words."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

_ACCOUNT = ":stargate-operator"
_AGENTS = ("stargate-operator/", "kopf/")
"""Of the operator's own clients: whoever borrows its token in a test proves nothing."""
_CREATED = 201


class Right(NamedTuple):
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" of {self.group}" if self.group else "")


@dataclass(frozen=True)
class Asked:
    """Once, of the API server. `request` is a URL, for a person to look at."""

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
    """By operators, in the audit logs of API servers."""
    for log in logs:
        whole = log.read_text().rpartition("\n")[0]  # the last line may still be being written
        for line in whole.splitlines():
            yield from _asked(json.loads(line))


def _asked(entry: Json) -> Iterator[Asked]:
    """Nothing of others, nor of what the server tells every client: its versions and kinds."""
    of = entry.get("objectRef") or {}
    ours = entry["user"]["username"].endswith(_ACCOUNT)
    if not ours or "resource" not in of or not entry.get("userAgent", "").startswith(_AGENTS):
        return
    group, resource = of.get("apiGroup", ""), _resource(of)
    allowed = entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow"
    for verb in _verbs(entry):
        yield Asked(Right(group, resource, verb), allowed, entry["requestURI"])


def _resource(of: Json) -> str:
    return "/".join(filter(None, (of["resource"], of.get("subresource"))))


def _verbs(entry: Json) -> Iterator[str]:
    """An apply that makes a new object needs the right to create it as well."""
    yield entry["verb"]
    if entry["verb"] == "patch" and entry.get("responseStatus", {}).get("code") == _CREATED:
        yield "create"
