"""The errors of this package, one class for each way in which a caller can react.

Every message says what happened and what to do. No error holds an answer's headers, a request or a
credential, because the text of an error may end up in a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class StargateError(Exception):
    """Base class of every error that this package raises."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the field as the caller wrote it, and what would be right.

    `field` is empty where the problem is with the whole value.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidConfig(StargateError, ValueError):
    """The training config, or a setting of the client, is not valid. Nothing was sent."""

    def __init__(self, problems: Sequence[Problem], subject: str = "the training config") -> None:
        self.problems = tuple(problems)
        super().__init__(_listed(f"{subject} is not valid", self.problems))


class Refused(StargateError):
    """The server understood the request and refused it. `status` is the HTTP status code."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), status: int = 0) -> None:
        self.message = message
        self.problems = tuple(problems)
        self.status = status
        super().__init__(_listed("the server refused", self.problems) if problems else message)

    @property
    def field(self) -> str:
        """The first field that the server named; empty where it named none."""
        return self.problems[0].field if self.problems else ""


class Conflict(Refused):
    """A job of this name, or with this request id, exists already and has another config."""


class NotAuthorised(StargateError, PermissionError):
    """The cluster does not know the key, or the key lacks a right that the call needs.

    `verb`, `resource`, `namespace` and `user` name a missing right; None where the key is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        verb: str | None = None,
        resource: str | None = None,
        namespace: str | None = None,
        user: str | None = None,
    ) -> None:
        self.verb = verb
        self.resource = resource
        self.namespace = namespace
        self.user = user
        super().__init__(message)


class NotFound(StargateError, LookupError):
    """The job, pod or namespace does not exist, or the cluster has no Stargate."""


class Unreachable(StargateError, ConnectionError):
    """No API server answered, or it answered with a server error. A later try may succeed."""


class Timeout(StargateError, TimeoutError):
    """The answer, or the awaited state, did not come in time."""


def _listed(heading: str, problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"{heading}: {problems[0]}"
    return "\n  ".join([f"{heading}, for {len(problems)} reasons:", *map(str, problems)])
