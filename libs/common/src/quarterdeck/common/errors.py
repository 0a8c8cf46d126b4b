"""The errors that cross a service's border.

Each carries what a person needs: a message, the field it is about and what to do.

===================  ===================  ====  =============================================
class                gRPC status          HTTP  meaning
===================  ===================  ====  =============================================
InvalidArgument      INVALID_ARGUMENT     400   the request is wrong whatever the state
Unauthenticated      UNAUTHENTICATED      401   nobody we know is calling
PermissionDenied     PERMISSION_DENIED    403   known, but not allowed
NotFound             NOT_FOUND            404   no such thing for this caller
AlreadyExists        ALREADY_EXISTS       409   creating what is there
Conflict             ABORTED              409   a precondition on a version or a decision failed
FailedPrecondition   FAILED_PRECONDITION  412   the state does not allow it now
ResourceExhausted    RESOURCE_EXHAUSTED   429   a limit, a budget or a queue is full
Internal             INTERNAL             500   our own fault
Unavailable          UNAVAILABLE          503   a part is away; try again
DeadlineExceeded     DEADLINE_EXCEEDED    504   it took too long
===================  ===================  ====  =============================================
"""

from __future__ import annotations

import grpc


class QuarterdeckError(Exception):
    """Base of all errors that a service answers with.

    Args:
        message: what happened, one sentence, without secrets.
        field: path of the field it is about ("spec.nodes[2].tool.name"), if any.
        hint: what to do about it, if there is something.
        reason: stable identifier for programs; the class's name by default.
    """

    status: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    http_status: int = 500

    def __init__(
        self, message: str, *, field: str = "", hint: str = "", reason: str = "", retry_after: float = 0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        self.reason = reason or type(self).__name__
        self.retry_after = retry_after


class InvalidArgument(QuarterdeckError):
    """The request is wrong whatever the state of the system.

    Args:
        violations: every field that is wrong as (path, message), when there are several.
    """

    status = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        hint: str = "",
        reason: str = "",
        violations: list[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint, reason=reason)
        self.violations = violations or ([(field, message)] if field else [])


class Unauthenticated(QuarterdeckError):
    """Nobody we know is calling."""

    status = grpc.StatusCode.UNAUTHENTICATED
    http_status = 401


class PermissionDenied(QuarterdeckError):
    """The caller is known and may not do this."""

    status = grpc.StatusCode.PERMISSION_DENIED
    http_status = 403


class NotFound(QuarterdeckError):
    """No such thing, or none that this caller may see."""

    status = grpc.StatusCode.NOT_FOUND
    http_status = 404


class AlreadyExists(QuarterdeckError):
    """The thing to create is there already."""

    status = grpc.StatusCode.ALREADY_EXISTS
    http_status = 409


class Conflict(QuarterdeckError):
    """A precondition on a version, a key or a decision failed."""

    status = grpc.StatusCode.ABORTED
    http_status = 409


class FailedPrecondition(QuarterdeckError):
    """The state of the system does not allow it now."""

    status = grpc.StatusCode.FAILED_PRECONDITION
    http_status = 412


class ResourceExhausted(QuarterdeckError):
    """A limit, a budget or a queue is full."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 429


class Internal(QuarterdeckError):
    """Our own fault."""

    status = grpc.StatusCode.INTERNAL
    http_status = 500


class Unavailable(QuarterdeckError):
    """A part of the platform is away; trying again later may work."""

    status = grpc.StatusCode.UNAVAILABLE
    http_status = 503


class DeadlineExceeded(QuarterdeckError):
    """It took longer than allowed."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    http_status = 504


BY_STATUS: dict[grpc.StatusCode, type[QuarterdeckError]] = {
    cls.status: cls
    for cls in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        AlreadyExists,
        Conflict,
        FailedPrecondition,
        ResourceExhausted,
        Internal,
        Unavailable,
        DeadlineExceeded,
    )
}
