"""What to do after a failed attempt. Pure: the error and the count in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quarterdeck.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    ModelError,
    OutputInvalid,
    PlaybookError,
    Refused,
)

FIRST_DELAY = 0.5
"""Seconds before the first retry; each further one doubles it."""

LONGEST_DELAY = 20.0
"""A longer wait, even one the provider asks for, is better spent at the next provider."""

JITTER = 0.5
"""Share of a delay that is random, so that many runs do not return at the same moment."""

_SAME_EVERYWHERE = (Refused, ContextTooLong, InvalidRequest, OutputInvalid, PlaybookError)
"""Errors of the request and not of the provider: another provider is not asked."""


@dataclass(frozen=True, slots=True)
class Step:
    """`again` at the same provider after `delay` seconds, `next` provider, or `stop`."""

    what: Literal["again", "next", "stop"]
    delay: float = 0.0


def after_failure(error: ModelError, attempt: int, max_retries: int, chance: float) -> Step:
    """Decide after the failed `attempt` (from 1). `chance` is a random number from 0 to 1."""
    if isinstance(error, _SAME_EVERYWHERE):
        return Step("stop")
    if isinstance(error, AuthenticationFailed) or not error.retryable or attempt > max_retries:
        return Step("next")
    if error.retry_after is not None and error.retry_after > LONGEST_DELAY:
        return Step("next")
    return Step("again", max(_back_off(attempt, chance), error.retry_after or 0.0))


def _back_off(attempt: int, chance: float) -> float:
    longest: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt - 1, 16))
    return longest * (1 - JITTER * chance)
