"""From what a provider answered to an error of ours. Pure: facts in, a `ModelError` out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from quarterdeck.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    ModelError,
    ModelTimeout,
    Overloaded,
    ProviderUnavailable,
    RateLimited,
    Refused,
)


@dataclass(frozen=True)
class Failure:
    """An error answer: HTTP status (200 in a stream), the provider's words for it, seconds to wait."""

    provider: str
    status: int
    kind: str = ""
    code: str = ""
    message: str = ""
    retry_after: float | None = None


_TOO_LONG = re.compile(
    r"prompt is too long|context.{0,20}(length|limit|window)|maximum context|exceeds? the .{0,30}context",
    re.I,
)
_TOO_LONG_CODES = {"context_length_exceeded", "request_too_large", "model_context_window_exceeded"}
_REFUSED_CODES = {"content_filter", "content_policy_violation", "refusal"}
_NO_CREDIT_CODES = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
_CREDENTIAL_KINDS = {"authentication_error", "permission_error", "invalid_api_key"}

_BY_KIND: Mapping[str, type[ModelError]] = {
    "overloaded_error": Overloaded,
    "rate_limit_error": RateLimited,
    "timeout_error": ModelTimeout,
}

_BY_STATUS: Mapping[int, type[ModelError]] = {
    401: AuthenticationFailed,
    402: AuthenticationFailed,
    403: AuthenticationFailed,
    408: ModelTimeout,
    409: ProviderUnavailable,
    413: ContextTooLong,
    429: RateLimited,
    503: Overloaded,
    504: ModelTimeout,
    529: Overloaded,
}

_HINTS: Mapping[type[ModelError], str] = {
    AuthenticationFailed: "check the key, what it may use, and the account's credit",
    ContextTooLong: "shorten the input, or lower context.maxTokens so that compaction starts earlier",
}


def to_error(failure: Failure) -> ModelError:
    """The error for a failed call. What the provider names counts before the status."""
    chosen = _class_of(failure)
    return chosen(
        failure.message or f"answered with status {failure.status}",
        provider=failure.provider,
        status=failure.status,
        retry_after=failure.retry_after,
        hint=_HINTS.get(chosen, ""),
    )


def _class_of(failure: Failure) -> type[ModelError]:
    names = {failure.kind, failure.code}
    if names & _NO_CREDIT_CODES or names & _CREDENTIAL_KINDS:
        return AuthenticationFailed
    if names & _TOO_LONG_CODES or (failure.status in (200, 400) and _TOO_LONG.search(failure.message)):
        return ContextTooLong
    if names & _REFUSED_CODES:
        return Refused
    by_name = next((_BY_KIND[name] for name in (failure.kind, failure.code) if name in _BY_KIND), None)
    return by_name or _by_status(failure.status)


def _by_status(status: int) -> type[ModelError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return InvalidRequest if 400 <= status < 500 else ProviderUnavailable


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait as the headers ask, or None. Knows milliseconds, seconds, and an HTTP date."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("retry-after")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        return max(0.0, float(value)) if value else None
    except ValueError:
        return _seconds_until(value or "", now or datetime.now(UTC))


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - now).total_seconds())
    except (TypeError, ValueError):
        return None
