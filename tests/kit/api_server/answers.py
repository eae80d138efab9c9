"""Responses of the server: a code and a body, or a refusal in the form of a Kubernetes Status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

Json = dict[str, Any]


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - an answer
    """The server refuses the request. The client gets a metav1.Status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        field: str = "",
        name: str = "",
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.field = field
        self.name = name

    def response(self) -> Response:
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return Response(self.code, msgspec.json.encode(self.as_status()), headers)

    def as_status(self) -> Json:
        details: Json = {"name": self.name} if self.name else {}
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if self.field:
            cause = {"reason": "FieldValueInvalid", "message": self.message, "field": self.field}
            details["causes"] = [cause]
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


def not_found(group_resource: str, name: str) -> Refused:
    return Refused(404, "NotFound", f'{group_resource} "{name}" not found', name=name)


def already_exists(group_resource: str, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{group_resource} "{name}" already exists', name=name)


def modified(group_resource: str, name: str) -> Refused:
    return Refused(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {group_resource} "{name}": the object has been modified;'
        " please apply your changes to the latest version and try again",
    )


def another_uid(group_resource: str, name: str, *, wanted: str, found: str) -> Refused:
    return Refused(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {group_resource} "{name}": Precondition failed: UID in'
        f" precondition: {wanted}, UID in object meta: {found}",
    )


def expired(version: int, oldest: int) -> Refused:
    return Refused(410, "Expired", f"too old resource version: {version} ({oldest})")


def invalid(message: str, field: str = "") -> Refused:
    return Refused(422, "Invalid", message, field=field)


def forbidden(message: str) -> Refused:
    return Refused(403, "Forbidden", message)
