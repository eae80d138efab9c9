"""Faults of requests. A rule says which requests a fault strikes, when and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.requests import Request

Kind = Literal["refused", "lost", "answer lost", "unheard", "unanswered", "delayed"]


@dataclass(frozen=True)
class Fault:
    """A fault of one request.

    - `refused`: the server answers with `refusal`.
    - `lost`: the connection breaks before the server reads the request.
    - `answer lost`: the server handles the request, then the connection breaks.
    - `unheard`: like `lost`, but the connection stays open, so the client waits for its timeout.
    - `unanswered`: like `answer lost`, but the connection stays open.
    - `delayed`: the request arrives `before` seconds late, the answer `after` seconds late.
    """

    kind: Kind
    refusal: Refused | None = None
    before: float = 0.0
    after: float = 0.0


LOST = Fault("lost")
ANSWER_LOST = Fault("answer lost")
UNHEARD = Fault("unheard")
UNANSWERED = Fault("unanswered")


def refused(code: int, reason: str, message: str, *, retry_after: float | None = None) -> Fault:
    return Fault("refused", refusal=Refused(code, reason, message, retry_after=retry_after))


def too_many(retry_after: float = 1.0) -> Fault:
    words = "too many requests, please try again later"
    return refused(429, "TooManyRequests", words, retry_after=retry_after)


def broken() -> Fault:
    return refused(500, "InternalError", "an error on the server has prevented the request")


def from_a_proxy() -> Fault:
    """A 404 that is not the API server's word: a proxy in front of it has no backend."""
    return refused(404, "NotFound", "default backend - 404")


def denied() -> Fault:
    """By an admission webhook."""
    return refused(403, "Forbidden", 'admission webhook "policy" denied the request')


def quota_conflict() -> Fault:
    """Several pods were counted at once."""
    return refused(409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "team"')


def delayed(before: float = 0.0, after: float = 0.0) -> Fault:
    return Fault("delayed", before=before, after=after)


@dataclass
class Rule:
    """A fault for matching requests: it skips the first `skip` of them and strikes at most `times`."""

    fault: Fault
    verb: str = ""
    resource: str = ""
    """The resource as the audit log names it: `pods`, `stargatejobs/status`."""
    name: str = ""
    agent: str = ""
    where: Callable[[Request], bool] = lambda _: True
    times: float = float("inf")
    skip: int = 0
    before: Callable[[Request], None] | None = None
    """Called when the request arrives, before the server handles it."""
    then: Callable[[Request], None] | None = None
    """Called afterwards, whether the request was handled or not."""
    struck: int = 0
    met: int = 0

    def matches(self, request: Request) -> bool:
        return (
            self.verb in ("", request.verb)
            and self.resource in ("", request.audited)
            and self.name in ("", request.name)
            and self.agent in ("", request.agent)
            and self.where(request)
        )

    def strikes(self, request: Request) -> bool:
        if self.struck >= self.times or not self.matches(request):
            return False
        self.met += 1
        if self.met <= self.skip:
            return False
        self.struck += 1
        return True


@dataclass
class Faults:
    """The active rules. The first rule that strikes decides."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        self.rules.remove(rule)

    def clear(self) -> None:
        self.rules.clear()

    def of(self, request: Request) -> Rule | None:
        return next((rule for rule in self.rules if rule.strikes(request)), None)
