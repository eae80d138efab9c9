"""The errors of the API server, in one form.

Callers branch on the properties, never on texts. Trouble on the way to the server is an ApiError
too (status 0), so that a caller has one thing to catch; a message holds the server's own words and
nothing of ours that could be a secret.
"""

from __future__ import annotations

import re

import msgspec

UNREACHABLE = "Unreachable"
TIMEOUT = "Timeout"
GARBLED = "Garbled"

_TEXT_SHOWN = 256
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)")


class Cause(msgspec.Struct, frozen=True):
    """One field of a refused object and what is wrong with it."""

    field: str = ""
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    retry_after_seconds: float | None = None
    causes: list[Cause] | None = None


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_decode_status = msgspec.json.Decoder(_Status).decode


class ApiError(Exception):
    """The API server refused a request, or could not be asked; then `status` is 0.

    `reason` is the CamelCase word of the server's Status. `retry_after` is in seconds. `name` is the
    object that the Status is about.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
        causes: tuple[Cause, ...] = (),
        name: str = "",
    ) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else f"{message} ({reason})")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes
        self.name = name

    @property
    def not_found(self) -> bool:
        return self.status == 404

    def says_gone(self, name: str) -> bool:
        """True if the API server itself says that this object does not exist. A proxy in front of it
        may answer 404 to anything."""
        return self.not_found and self.reason == "NotFound" and self.name == name

    @property
    def conflict(self) -> bool:
        """True if somebody else wrote meanwhile, or a precondition did not hold."""
        return self.status == 409 and not self.already_exists

    @property
    def already_exists(self) -> bool:
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def forbidden(self) -> bool:
        return self.status == 403

    @property
    def gone(self) -> bool:
        """True if the server no longer remembers the requested resourceVersion."""
        return self.status == 410

    @property
    def too_many(self) -> bool:
        return self.status == 429

    @property
    def timed_out(self) -> bool:
        return self.status == 0 and self.reason == TIMEOUT

    @property
    def unreachable(self) -> bool:
        return self.status == 0 and self.reason == UNREACHABLE

    @property
    def is_transient(self) -> bool:
        """True if the same request may succeed later."""
        return self.status in (0, 429) or self.status >= 500


class NotLeading(Exception):  # noqa: N818 - it is a state, and reads as one where it is caught
    """Too little of the lease is left to begin a write: another replica may lead before it arrives."""


def unreachable(error: Exception) -> ApiError:
    return ApiError(0, UNREACHABLE, str(error) or type(error).__name__)


def garbled(error: Exception) -> ApiError:
    """A success whose body cannot be read. The request may have taken effect."""
    return ApiError(0, GARBLED, str(error))


def timed_out(seconds: float) -> ApiError:
    return ApiError(0, TIMEOUT, f"no answer within {seconds:g} s")


def from_answer(status: int, head: bytes, body: bytes) -> ApiError:
    """`head` is the answer's header block in lower case, as `http1` hands it over."""
    said = parse_status(body)
    details = said.details or _Details()
    after = _RETRY_AFTER.search(head)
    return ApiError(
        status,
        said.reason or f"HTTP{status}",
        said.message,
        retry_after=float(after[1]) if after else details.retry_after_seconds,
        causes=tuple(details.causes or ()),
        name=details.name,
    )


def from_watch(body: bytes) -> ApiError:
    """The object of a watch's ERROR event: a metav1.Status with its own code."""
    said = parse_status(body)
    return ApiError(said.code or 500, said.reason or "WatchError", said.message)


def parse_status(body: bytes) -> _Status:
    try:
        return _decode_status(body)
    except msgspec.MsgspecError:
        return _Status(message=body[:_TEXT_SHOWN].decode(errors="replace"))
