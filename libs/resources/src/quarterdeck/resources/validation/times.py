"""Schedules, time zones and lengths of time."""

from collections.abc import Iterator
from functools import lru_cache

from quarterdeck.resources.durations import duration_seconds
from quarterdeck.resources.errors import FieldError, join_path
from quarterdeck.resources.field_errors import closest
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.model import Model
from quarterdeck.resources.schedules import schedule_problem
from quarterdeck.resources.trigger import Trigger

NEVER_ZERO = frozenset(
    {
        *("timeout", "callTimeout", "expiresAfter", "totalTime", "idleTimeout"),
        *("ttl", "cacheTtl", "maxDelay", "tolerance"),
    }
)
"""Fields whose length of time must be more than nothing."""


def durations(resource: Resource) -> Iterator[FieldError]:
    """Limits of time are more than zero."""
    for path, name, value in _texts(resource.spec, "spec"):
        if name in NEVER_ZERO and duration_seconds(value) <= 0:
            yield FieldError(path, "it must be more than 0", "leave it out for no limit of its own")


def _texts(model: Model, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, field name and value of every text field, at any depth."""
    for name, info in type(model).model_fields.items():
        value, alias = getattr(model, name), info.alias or name
        here = join_path(path, alias)
        if isinstance(value, str):
            yield here, alias, value
        elif isinstance(value, Model):
            yield from _texts(value, here)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Model):
                    yield from _texts(item, f"{here}[{index}]")


def schedule(trigger: Trigger) -> Iterator[FieldError]:
    """The cron schedule and its time zone exist, and it is due some time."""
    cron = trigger.spec.cron
    if not cron:
        return
    if problem := schedule_problem(cron.schedule):
        hint = "five fields: minute hour day month weekday, such as '0 9 * * *', or '@daily'"
        yield FieldError("spec.cron.schedule", problem, hint)
    if cron.time_zone not in time_zones():
        hint = closest(cron.time_zone, list(time_zones())) or "an IANA name such as Europe/Rome"
        yield FieldError("spec.cron.timeZone", f"there is no time zone {cron.time_zone!r}", hint)


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Return the names of all time zones this machine knows."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones())
