"""What goes wrong with a request: the test decides which, when and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.requests import Request

Kind = Literal["refused", "lost", "answer lost", "unheard", "unanswered", "delayed"]


@dataclass(frozen=True)
class Fault:
    """What happens to one request on its way to the server, there, or on its way back.

    `lost`: the connection breaks before the server has read it. `answer lost`: the server has done it,
    and the connection breaks. `unheard` and `unanswered`: the same in silence. `delayed`: it takes so
    many seconds until the server reads it, and until the answer is here.
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


def delayed(before: float = 0.0, after: float = 0.0) -> Fault:
    return Fault("delayed", before=before, after=after)


@dataclass
class Rule:
    """A fault for the requests that match, so many times at most, after the first `skip` of them."""

    fault: Fault
    verb: str = ""
    resource: str = ""
    """As an audit log names it: `pods`, `stargatejobs/status`."""
    name: str = ""
    agent: str = ""
    where: Callable[[Request], bool] = lambda _: True
    times: float = float("inf")
    skip: int = 0
    before: Callable[[Request], None] | None = None
    """Called when the request arrives, before anything of it is done."""
    then: Callable[[Request], None] | None = None
    """Called afterwards, whatever was done."""
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
    """The rules in force; the first that strikes wins."""

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
