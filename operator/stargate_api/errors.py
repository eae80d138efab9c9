"""What can go wrong, one class for each thing that a caller would do about it.

Every message says what happened and what to do. No error holds an answer's headers, a request or
a credential: what an error shows may end in a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class StargateError(Exception):
    """Any failure of this client; the classes below say which."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the field as the caller wrote it, and what would be right."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidConfig(StargateError, ValueError):
    """The training config, or a setting of the client, cannot be right. Nothing was sent."""

    def __init__(self, problems: Sequence[Problem], subject: str = "the training config") -> None:
        self.problems = tuple(problems)
        super().__init__(_listed(f"{subject} is not valid", self.problems))


class Refused(StargateError):
    """The server understood, and said no."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), status: int = 0) -> None:
        self.message = message
        self.problems = tuple(problems)
        self.status = status
        super().__init__(_listed("the server refused", self.problems) if problems else message)

    @property
    def field(self) -> str:
        """The first field that the server named."""
        return self.problems[0].field if self.problems else ""


class Conflict(Refused):
    """Something of that name, or a request of that id, exists already and says something else."""


class NotAuthorised(StargateError, PermissionError):
    """The key is not known to the cluster, or does not give the right that the call needs."""

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
    """No such job, or nothing of the kind on that cluster."""


class Unreachable(StargateError, ConnectionError):
    """No API server answered, or it was not well; trying again later may help."""


class Timeout(StargateError, TimeoutError):
    """What was waited for did not happen in time."""


def _listed(heading: str, problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"{heading}: {problems[0]}"
    return "\n  ".join([f"{heading}, for {len(problems)} reasons:", *map(str, problems)])
