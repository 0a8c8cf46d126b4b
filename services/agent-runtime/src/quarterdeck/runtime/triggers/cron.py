"""Scheduled times: five cron fields read in a time zone. Pure.

A schedule names wall-clock times; this module turns them into moments (Unix seconds):

- a time that the clocks skip in spring happens as long after midnight as on other days:
  02:30 becomes 03:30 summer time. A moment that two times then share counts once;
- a time that the clocks show twice in autumn happens at the first of the two. A schedule
  that is due in every hour of the day (`*/15 * * * *`) goes on through both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quarterdeck.resources.schedules import form_problem

# A change of the clocks this far away cannot reorder the times around a moment.
_FAR = timedelta(hours=30)
# Schedules are due on whole minutes, so this much before one is after every other one.
_JUST_BEFORE = 0.001


class BadSchedule(ValueError):
    """A schedule or time zone that cannot be read; the registry refuses these."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Five cron fields (or `@daily` and the like) and an IANA time zone."""

    text: str
    time_zone: str = "UTC"


def next_after(schedule: Schedule, moment: float) -> float | None:
    """Returns the first scheduled time after `moment`; None if there is none in fifty years.

    Raises:
        BadSchedule: the schedule or its time zone cannot be read.
    """
    zone, every_hour = _zone(schedule.time_zone), _is_every_hour(schedule.text)
    best: float | None = None
    for wall in _walls(schedule.text, _wall_before(zone, moment)):
        first, second = _moments(wall, zone)
        for at in (first, second) if every_hour and second > first else (first,):
            if at > moment and (best is None or at < best):
                best = at
        # A skipped time (second < first) comes later than real ones that follow it on the clock.
        if best is not None and first >= best and second >= first:
            return best
    return best


def between(schedule: Schedule, first: float, last: float, limit: int) -> list[float]:
    """Returns the scheduled times from `first` to `last`, both included, `limit` at most."""
    found: list[float] = []
    due = next_after(schedule, first - _JUST_BEFORE)
    while due is not None and due <= last and len(found) < limit:
        found.append(due)
        due = next_after(schedule, due)
    return found


def skip_until(schedule: Schedule, due: float, moment: float, limit: int) -> tuple[int, float | None]:
    """Returns how many scheduled times from `due` on lie before `moment`, and the first that does not.

    Counts to `limit` only.
    """
    missed, following = 0, next_after(schedule, due - _JUST_BEFORE)
    while following is not None and following < moment:
        if missed == limit:
            return missed, next_after(schedule, moment - _JUST_BEFORE)
        missed += 1
        following = next_after(schedule, following)
    return missed, following


def local_time(schedule: Schedule, moment: float) -> str:
    """Returns a moment as the schedule's clock shows it, ISO 8601 with its offset."""
    return datetime.fromtimestamp(moment, _zone(schedule.time_zone)).isoformat(timespec="seconds")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSchedule(f"there is no time zone {name!r}") from error


def _wall_before(zone: ZoneInfo, moment: float) -> datetime:
    """Returns a wall-clock time behind which every scheduled time after `moment` is found."""
    instant = datetime.fromtimestamp(moment, UTC)
    around = [(instant + far).astimezone(zone).utcoffset() or timedelta() for far in (-_FAR, _FAR)]
    shift = max(around) - min(around)
    return instant.astimezone(zone).replace(tzinfo=None) - shift


def _moments(wall: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """Returns a wall-clock time by the offset before and by the offset after a change of the clocks.

    They are the same on most days; the second is later when the time is shown twice, and
    earlier when it is skipped.
    """
    return wall.replace(tzinfo=zone).timestamp(), wall.replace(tzinfo=zone, fold=1).timestamp()


def _walls(text: str, after: datetime) -> Iterator[datetime]:
    """Yields the schedule's wall-clock times after one, in order."""
    from croniter import croniter
    from croniter.croniter import CroniterBadDateError, CroniterError

    try:
        _check(text)
        times = croniter(text, after)
        while True:
            yield times.get_next(datetime)
    except CroniterBadDateError:
        return
    except (CroniterError, KeyError, AttributeError) as error:
        raise BadSchedule(f"{text!r} is not a schedule: {error}") from error


def _check(text: str) -> None:
    if problem := form_problem(text):
        raise BadSchedule(f"{text!r} is not a schedule: {problem}")


@lru_cache(maxsize=1024)
def _is_every_hour(text: str) -> bool:
    from croniter import croniter
    from croniter.croniter import CroniterError

    try:
        hours = croniter(text, datetime(2024, 1, 1)).expanded[1]
    except (CroniterError, KeyError, AttributeError) as error:
        raise BadSchedule(f"{text!r} is not a schedule: {error}") from error
    return hours == ["*"] or len(hours) == 24
