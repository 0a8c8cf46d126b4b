"""What an API server's refusals are to callers of the registry. Pure."""

from __future__ import annotations

from quarterdeck.common.errors import (
    Conflict,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    QuarterdeckError,
    Unavailable,
)
from quarterdeck.controller.api import errors as api


def error_of(error: api.ApiError) -> QuarterdeckError:
    """Returns the error that says the same."""
    if isinstance(error, api.Invalid):
        return _invalid(error)
    if isinstance(error, api.Conflict | api.AlreadyExists):
        return Conflict(error.message, hint="read it again, and apply your change to what you read")
    if isinstance(error, api.NotFound):
        return FailedPrecondition(error.message, hint="is the namespace there, and are the CRDs installed?")
    if isinstance(error, api.Forbidden | api.Unauthorized):
        return Internal(f"the registry's own account was refused: {error.message}")
    return Unavailable(
        f"the Kubernetes API does not answer: {error.message}",
        hint="what runs goes on; try the change again later",
    )


def _invalid(error: api.Invalid) -> InvalidArgument:
    causes = error.details.get("causes") or []
    violations = [(str(cause.get("field", "")), str(cause.get("message", ""))) for cause in causes]
    field = violations[0][0] if violations else ""
    return InvalidArgument(error.message, field=field, reason="InvalidManifest", violations=violations)
