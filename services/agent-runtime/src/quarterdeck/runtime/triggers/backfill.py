"""Which scheduled times a backfill is about. Pure."""

from __future__ import annotations

from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.triggers import cron
from quarterdeck.runtime.triggers.constants import MAX_BACKFILL
from quarterdeck.runtime.triggers.declared import ALLOW, QUEUE, Declared


def backfill_times(declared: Declared, first: str, last: str, now: float) -> list[float]:
    """Returns the scheduled times from `first` to `last` (RFC 3339, both included; no end: now).

    Raises:
        InvalidArgument: not a cron trigger, not an interval of the past, or too many times.
    """
    if declared.schedule is None:
        raise InvalidArgument(f"a trigger by {declared.source} has no scheduled times", field="backfillFrom")
    since = _moment(first, "backfillFrom")
    until = _moment(last, "backfillTo") if last else now
    if not since <= until <= now:
        raise InvalidArgument(
            "the interval must begin before it ends, and end in the past", field="backfillTo"
        )
    times = cron.between(declared.schedule, since, until, MAX_BACKFILL + 1)
    if len(times) > MAX_BACKFILL:
        raise InvalidArgument(
            f"the interval has more than {MAX_BACKFILL} scheduled times",
            field="backfillFrom",
            hint="backfill it in shorter pieces",
        )
    return times


def backfill_overlap(declared: Declared) -> str:
    """Returns the overlap rule of a backfill: none is skipped or replaced, they wait for each other."""
    return ALLOW if declared.overlap == ALLOW else QUEUE


def _moment(text: str, field: str) -> float:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise InvalidArgument(
            f"not a time: {error}", field=field, hint="write for example 2026-01-31T09:00:00Z"
        ) from error
