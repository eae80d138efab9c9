"""The refusals of a report as Kubernetes Status objects, which any client can read."""

from http import HTTPStatus

import msgspec


class ReportRefused(Exception):  # noqa: N818 - an answer, not an error of ours
    """Refuses a report. The server turns it into a metav1.Status.

    `message` goes to the worker, so it must contain no secret and nothing of another job.
    """

    def __init__(
        self,
        code: HTTPStatus,
        reason: str,
        message: str,
        *,
        retry_after: int | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.field = field

    @property
    def unavailable(self) -> bool:
        """True if the reason is on our side, so that the same report may be accepted later."""
        return self.code == HTTPStatus.SERVICE_UNAVAILABLE


class _Cause(msgspec.Struct, rename="camel", omit_defaults=True):
    reason: str
    message: str
    field: str


class _Details(msgspec.Struct, rename="camel", omit_defaults=True):
    causes: tuple[_Cause, ...] = ()
    retry_after_seconds: int | None = None


class _Status(msgspec.Struct, rename="camel"):
    message: str
    reason: str
    code: int
    details: _Details | msgspec.UnsetType = msgspec.UNSET
    kind: str = "Status"
    api_version: str = "v1"
    metadata: dict[str, str] = {}
    status: str = "Failure"


_encode = msgspec.json.Encoder().encode


def as_status(refusal: ReportRefused) -> bytes:
    """The refusal as the JSON of a metav1.Status."""
    return _encode(
        _Status(
            message=refusal.message,
            reason=refusal.reason,
            code=refusal.code,
            details=_details(refusal),
        )
    )


def _details(refusal: ReportRefused) -> _Details | msgspec.UnsetType:
    if not refusal.field and refusal.retry_after is None:
        return msgspec.UNSET
    return _Details(causes=_causes(refusal), retry_after_seconds=refusal.retry_after)


def _causes(refusal: ReportRefused) -> tuple[_Cause, ...]:
    if not refusal.field:
        return ()
    return (_Cause(reason="FieldValueInvalid", message=refusal.message, field=refusal.field),)


def unavailable(message: str, *, retry_after: int = 1) -> ReportRefused:
    """The operator cannot take the report now; it may take the same report in a moment."""
    return ReportRefused(
        HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message, retry_after=retry_after
    )


def unauthorized(message: str) -> ReportRefused:
    return ReportRefused(HTTPStatus.UNAUTHORIZED, "Unauthorized", message)


def forbidden(message: str) -> ReportRefused:
    return ReportRefused(HTTPStatus.FORBIDDEN, "Forbidden", message)


def not_found(message: str) -> ReportRefused:
    return ReportRefused(HTTPStatus.NOT_FOUND, "NotFound", message)


def conflict(reason: str, message: str) -> ReportRefused:
    return ReportRefused(HTTPStatus.CONFLICT, reason, message)


def unreadable(message: str, *, field: str = "") -> ReportRefused:
    """The form of the body is not what the protocol says."""
    return ReportRefused(HTTPStatus.BAD_REQUEST, "BadRequest", message, field=field)


def invalid(field: str, message: str) -> ReportRefused:
    """The form of the body is right, but a value cannot be true. The message
    says what would be right."""
    return ReportRefused(HTTPStatus.BAD_REQUEST, "Invalid", f"{field}: {message}", field=field)
