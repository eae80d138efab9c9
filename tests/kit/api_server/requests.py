"""HTTP requests, parsed into the terms of an API server: verb, resource, name, body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tests.kit.api_server.resources import TOKEN_REVIEWS, Target, target_of

Json = dict[str, Any]

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def target(self) -> Target | None:
        return target_of(self.path)

    @property
    def name(self) -> str:
        return self.target.name if self.target else ""

    @property
    def namespace(self) -> str:
        return self.target.namespace if self.target else ""

    @cached_property
    def verb(self) -> str:
        if self.method != "GET":
            return _VERBS[self.method]
        if self.query.get("watch") == "true":
            return "watch"
        return "get" if self.name or self.target is None else "list"

    @property
    def audited(self) -> str:
        """The resource as the audit log names it."""
        if self.path == TOKEN_REVIEWS:
            return "tokenreviews"
        return self.target.audited if self.target else ""

    @property
    def agent(self) -> str:
        return self.headers.get("user-agent", "")

    @property
    def wants_metadata(self) -> bool:
        return "PartialObjectMetadata" in self.headers.get("accept", "")

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"

    @cached_property
    def json(self) -> Json:
        found: Json = msgspec.json.decode(self.body) if self.body else {}
        return found


def read(raw: bytes) -> Request:
    """Parse the bytes of one HTTP/1.1 request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Request(method, path, dict(parse_qsl(query)), headers, body)
