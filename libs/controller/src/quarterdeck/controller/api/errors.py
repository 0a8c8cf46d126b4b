"""What the API server refuses, as exceptions that carry its Status."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The API server answered with an error, or could not be asked.

    Attributes:
        code: the HTTP status; 0 if there was no answer.
        reason: the server's word for it, as `NotFound`; empty if it gave none.
        details: the Status' details; `causes` names fields of objects that are invalid.
        retry_after: seconds after which the server wants to be asked again, if it said so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        reason: str = "",
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.details = details or {}
        self.retry_after = retry_after


class Unreachable(ApiError):
    """No answer: the connection could not be made, broke, or stayed silent for too long."""


class Silent(Unreachable):
    """A watch brought nothing for as long as it may: nothing happened, or nobody is there any more."""


class NotFound(ApiError):
    """There is no such object, or no such resource (a CRD that is missing)."""


class AlreadyExists(ApiError):
    """An object of that name is there already."""


class Conflict(ApiError):
    """The object changed since it was read, a precondition failed, or another manager owns a field."""


class Gone(ApiError):
    """The resource version or the continue token is older than what the server remembers: list again."""


class Invalid(ApiError):
    """The object breaks its schema or a rule; `details["causes"]` names the fields."""


class Forbidden(ApiError):
    """The service account may not do this."""


class Unauthorized(ApiError):
    """The token is missing, expired or not trusted."""


class TooManyRequests(ApiError):
    """The server asks for patience; see `retry_after`."""


class ServerTrouble(ApiError):
    """The server failed, is starting or is overloaded; the request may be made again."""


_BY_REASON: dict[str, type[ApiError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Gone": Gone,
    "Expired": Gone,
    "Invalid": Invalid,
    "Forbidden": Forbidden,
    "Unauthorized": Unauthorized,
    "TooManyRequests": TooManyRequests,
}
_BY_CODE: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_of(code: int, status: Any, retry_after: float | None = None) -> ApiError:
    """Makes the exception of an answer.

    Args:
        code: the HTTP status, or the code of the Status object in a watch.
        status: the parsed body, a Status object if the API server wrote it; anything else is no harm.
        retry_after: of the header, in seconds.
    """
    status = status if isinstance(status, dict) else {}
    reason = str(status.get("reason") or "")
    details = status.get("details") or {}
    message = str(status.get("message") or f"the API server answered {code}")
    if retry_after is None and "retryAfterSeconds" in details:
        retry_after = float(details["retryAfterSeconds"])
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or (ServerTrouble if code >= 500 else ApiError)
    return kind(message, code=code, reason=reason, details=details, retry_after=retry_after)
