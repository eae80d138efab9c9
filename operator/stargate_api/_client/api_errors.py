"""What an answer of 400 or more means to the caller: from a metav1.Status to an error of ours."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from stargate_api._client.steps import Answer, Json
from stargate_api.errors import Conflict, NotAuthorised, NotFound, Problem, Refused, StargateError

_SHOWN = 300
_RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)


def object_in(answer: Answer) -> Json:
    """The object in an answer that says yes; raises what any other means."""
    if not answer.succeeded:
        refuse(answer)
    found = _decoded(answer)
    if found is None:
        raise Refused(
            f"the endpoint answers, but not as a Kubernetes API server does: {message_of(answer)!r}",
            status=answer.status,
        )
    return found


def refuse(answer: Answer) -> NoReturn:
    raise error_of(answer)


def error_of(answer: Answer) -> StargateError:
    said = _status(answer)
    message = message_of(answer)
    match answer.status:
        case 401:
            return NotAuthorised(
                "the cluster does not know this key (401): it may have expired or belong to another"
                " cluster; a new one: kubectl create token <ServiceAccount> -n <namespace>"
            )
        case 403:
            return _forbidden(message, said)
        case 404:
            return _not_found(message, said)
        case 409:
            return Conflict(message, _problems(said), answer.status)
        case _:
            return Refused(message, _problems(said), answer.status)


def message_of(answer: Answer) -> str:
    """The server's own."""
    said = str(_status(answer).get("message") or answer.body[:_SHOWN].decode(errors="replace"))
    return said.strip() or f"HTTP {answer.status}"


def _status(answer: Answer) -> Json:
    return _decoded(answer) or {}


def _decoded(answer: Answer) -> Json | None:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _problems(said: Mapping[str, Any]) -> list[Problem]:
    causes = (said.get("details") or {}).get("causes") or []
    return [Problem(str(c.get("field", "")), str(c.get("message", ""))) for c in causes]


def _forbidden(message: str, said: Mapping[str, Any]) -> StargateError:
    """A right that is missing, or a quota or policy that says no: both are 403."""
    found = _RIGHT.search(message)
    if not found:
        return Refused(message, _problems(said), 403)
    right = found.groupdict()
    where = f"in namespace {right['namespace']}" if right["namespace"] else "in the whole cluster"
    return NotAuthorised(
        f"{right['user']} may not {right['verb']} {right['resource']} {where}: ask whoever runs"
        f" the cluster for a role that gives {right['verb']} on {_full_name(right)}{_such_as(right)}",
        verb=right["verb"],
        resource=right["resource"],
        namespace=right["namespace"],
        user=right["user"],
    )


def _such_as(right: Mapping[str, str]) -> str:
    """Of the roles that an install brings, the least that suffices."""
    if right["resource"] not in ("stargatejobs", "pods"):
        return ""
    reads = right["verb"] in ("get", "list", "watch")
    return f", such as {'stargate-reader' if reads else 'stargate-researcher'}"


def _full_name(right: Mapping[str, str]) -> str:
    return f"{right['resource']}.{right['group']}" if right["group"] else right["resource"]


def _not_found(message: str, said: Mapping[str, Any]) -> StargateError:
    """Without a name it is the kind that is unknown."""
    details = said.get("details") or {}
    if details.get("kind") == "namespaces":
        return NotFound(f"{message}: create it, or name another one")
    if not details.get("name"):
        return NotFound(
            "the cluster knows no StargateJobs: is Stargate installed there, and is this the right"
            f" cluster? ({message})"
        )
    return NotFound(message)
