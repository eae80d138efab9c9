"""Turns the API server's error answers (status 400 and more) into the errors of this package."""

import json
import re
from collections.abc import Mapping
from typing import Any

from stargate_api._client.steps import Answer, Json
from stargate_api.errors import Conflict, NotAuthorised, NotFound, Problem, Refused, StargateError

_MAX_SHOWN_BYTES = 300
_MISSING_RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)


def object_in(answer: Answer) -> Json:
    """The object in a successful answer. Raises `error_of` any other answer."""
    if not answer.succeeded:
        raise error_of(answer)
    found = _decoded(answer)
    if found is None:
        raise Refused(
            "the endpoint answers, but not as a Kubernetes API server does:"
            f" {message_of(answer)!r}",
            status=answer.status,
        )
    return found


def error_of(answer: Answer) -> StargateError:
    """The error that an answer of 400 or more stands for."""
    status = _status(answer)
    message = message_of(answer)
    match answer.status:
        case 401:
            return NotAuthorised(
                "the cluster does not know this key (401): it may have expired or belong to another"
                " cluster; get a new one: kubectl create token <ServiceAccount> -n <namespace>"
            )
        case 403:
            return _forbidden(message, status)
        case 404:
            return _not_found(message, status)
        case 409:
            return Conflict(message, _problems(status), answer.status)
        case _:
            return Refused(message, _problems(status), answer.status)


def message_of(answer: Answer) -> str:
    """The server's own message; the start of the body, or the status code, where it has none."""
    start = answer.body[:_MAX_SHOWN_BYTES].decode(errors="replace")
    message = str(_status(answer).get("message") or start)
    return message.strip() or f"HTTP {answer.status}"


def _status(answer: Answer) -> Json:
    """The metav1.Status in the answer; empty where there is none."""
    return _decoded(answer) or {}


def _decoded(answer: Answer) -> Json | None:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _problems(status: Mapping[str, Any]) -> list[Problem]:
    causes = (status.get("details") or {}).get("causes") or []
    return [Problem(str(cause.get("field", "")), str(cause.get("message", ""))) for cause in causes]


def _forbidden(message: str, status: Mapping[str, Any]) -> StargateError:
    """The API server answers 403 both for a missing right and for a quota or policy that refuses."""
    found = _MISSING_RIGHT.search(message)
    if not found:
        return Refused(message, _problems(status), 403)
    right = found.groupdict()
    where = f"in namespace {right['namespace']}" if right["namespace"] else "in the whole cluster"
    return NotAuthorised(
        f"{right['user']} may not {right['verb']} {right['resource']} {where}: ask whoever runs the"
        f" cluster for a role that allows {right['verb']} on"
        f" {_full_name(right)}{_example_role(right)}",
        verb=right["verb"],
        resource=right["resource"],
        namespace=right["namespace"],
        user=right["user"],
    )


def _example_role(right: Mapping[str, str]) -> str:
    """The installed role with the fewest rights that allows the call."""
    if right["resource"] not in ("stargatejobs", "pods"):
        return ""
    reads = right["verb"] in ("get", "list", "watch")
    return f", such as {'stargate-reader' if reads else 'stargate-researcher'}"


def _full_name(right: Mapping[str, str]) -> str:
    return f"{right['resource']}.{right['group']}" if right["group"] else right["resource"]


def _not_found(message: str, status: Mapping[str, Any]) -> StargateError:
    """A 404 without an object's name means that the server does not know the kind."""
    details = status.get("details") or {}
    if details.get("kind") == "namespaces":
        return NotFound(f"{message}: create it, or name another one")
    if not details.get("name"):
        return NotFound(
            "the cluster has no StargateJob resource: is Stargate installed there, and is this the"
            f" right cluster? ({message})"
        )
    return NotFound(message)
