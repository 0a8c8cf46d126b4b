"""Scheduled times, above all where the clocks change."""

import math
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.runtime.triggers.cron import (
    BadSchedule,
    Schedule,
    between,
    local_time,
    next_after,
    skip_until,
)

BRUSSELS, NEW_YORK = "Europe/Brussels", "America/New_York"
HOUR, DAY = 3600.0, 86_400.0
ZONES = [BRUSSELS, NEW_YORK, "UTC", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
SCHEDULES = [
    "0 9 * * *",
    "30 2 * * *",
    "*/15 * * * *",
    "0 */2 * * *",
    "15 1-3 * * 0",
    "0 0 1 * *",
    "59 23 * * 1-5",
]
# The days on which the clocks change in 2026.
SPRING = {BRUSSELS: (2026, 3, 29), NEW_YORK: (2026, 3, 8)}
AUTUMN = {BRUSSELS: (2026, 10, 25), NEW_YORK: (2026, 11, 1)}


def at(text):
    return datetime.fromisoformat(text).timestamp()


def midnight(zone, day):
    return datetime(*day, tzinfo=ZoneInfo(zone)).timestamp()


def of_day(text, zone, day):
    """The scheduled times of a local day as (local time, UTC offset in hours)."""
    first = midnight(zone, day)
    last = (datetime(*day) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).timestamp()
    moments = [
        datetime.fromtimestamp(due, ZoneInfo(zone))
        for due in between(Schedule(text, zone), first, last - 1, 1000)
    ]
    return [(f"{m:%H:%M}", m.utcoffset() / timedelta(hours=1)) for m in moments]


@pytest.mark.parametrize("zone", [BRUSSELS, NEW_YORK])
def test_nine_oclock_is_nine_oclock_every_day_of_the_year(zone):
    due = between(Schedule("0 9 * * *", zone), at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:00Z"), 1000)
    local = [datetime.fromtimestamp(moment, ZoneInfo(zone)) for moment in due]
    assert len({moment.date() for moment in local}) == len(local) == 365
    assert {(moment.hour, moment.minute) for moment in local} == {(9, 0)}
    gaps = {later - earlier for earlier, later in pairwise(due)}
    assert gaps == {23 * HOUR, 24 * HOUR, 25 * HOUR}


@pytest.mark.parametrize(("zone", "summer"), [(BRUSSELS, 2.0), (NEW_YORK, -4.0)])
def test_time_that_the_clocks_skip_fires_once(zone, summer):
    assert of_day("30 2 * * *", zone, SPRING[zone]) == [("03:30", summer)]
    due = next_after(Schedule("30 2 * * *", zone), midnight(zone, SPRING[zone]))
    assert due - midnight(zone, SPRING[zone]) == 2.5 * HOUR


@pytest.mark.parametrize(("zone", "summer"), [(BRUSSELS, 2.0), (NEW_YORK, -4.0)])
def test_time_that_the_clocks_show_twice_fires_at_the_first(zone, summer):
    hour = 2 if zone == BRUSSELS else 1
    assert of_day(f"30 {hour} * * *", zone, AUTUMN[zone]) == [(f"0{hour}:30", summer)]


@pytest.mark.parametrize("zone", [BRUSSELS, NEW_YORK])
@pytest.mark.parametrize(("days", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_every_quarter_of_an_hour_stays_one(zone, days, hours):
    start = midnight(zone, days[zone])
    due = between(Schedule("*/15 * * * *", zone), start, start + hours * HOUR, 1000)
    assert due == [start + 900 * index for index in range(hours * 4 + 1)]


def test_skipped_and_real_times_that_share_a_moment_fire_once():
    skipped = of_day("0 2,3 * * *", BRUSSELS, SPRING[BRUSSELS])
    assert skipped == [("03:00", 2.0)]
    assert of_day("30 2 * * *", "Australia/Lord_Howe", (2026, 10, 4)) == [("02:30", 11.0)]


def test_times_in_a_gap_come_in_the_order_of_their_moments():
    assert of_day("0,20,40 2-3 * * *", NEW_YORK, SPRING[NEW_YORK]) == [
        ("03:00", -4.0),
        ("03:20", -4.0),
        ("03:40", -4.0),
    ]
    assert of_day("30 2,3,4 * * *", NEW_YORK, SPRING[NEW_YORK]) == [("03:30", -4.0), ("04:30", -4.0)]
    mixed = of_day("45 1,2 * * *", NEW_YORK, SPRING[NEW_YORK])
    assert mixed == [("01:45", -5.0), ("03:45", -4.0)]


def test_a_day_that_does_not_exist():
    # Samoa went from Thursday 29 to Saturday 31 December 2011.
    samoa = Schedule("0 9 * * *", "Pacific/Apia")
    days = between(samoa, at("2011-12-29T12:00:00Z"), at("2012-01-01T12:00:00Z"), 10)
    local = [local_time(samoa, day)[:16] for day in days]
    assert local == ["2011-12-29T09:00", "2011-12-31T09:00", "2012-01-01T09:00"]


def _around_changes(zone):
    """Moments of 2026 in a zone, half of them within a day and a half of a change of the clocks."""
    changes = [midnight(zone, day) for day in (SPRING.get(zone), AUTUMN.get(zone)) if day]
    anywhere = st.integers(int(at("2025-12-01T00:00:00Z")), int(at("2027-01-10T00:00:00Z")))
    near = [st.integers(int(c - 1.5 * DAY), int(c + 1.5 * DAY)) for c in changes]
    return st.one_of(anywhere, *near)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_next_is_later_and_nothing_lies_between(data):
    zone, text = data.draw(st.sampled_from(ZONES)), data.draw(st.sampled_from(SCHEDULES))
    moment = data.draw(_around_changes(zone))
    schedule = Schedule(text, zone)
    due = next_after(schedule, moment)
    assert due > moment and due == math.floor(due)
    # Asked from any moment before it, the answer is never later; just before it, it is the same.
    between_them = data.draw(st.integers(int(moment), int(due) - 1))
    assert next_after(schedule, between_them) == due
    assert next_after(schedule, due - 0.5) == due
    assert next_after(schedule, due) > due


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59), st.integers(0, 700))
def test_daily_schedule_fires_once_a_day(zone, hour, minute, offset):
    day = datetime(2026, 1, 1) + timedelta(days=offset)
    first = day.replace(tzinfo=ZoneInfo(zone)).timestamp()
    last = (day + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).timestamp()
    due = between(Schedule(f"{minute} {hour} * * *", zone), first, last - 1, 10)
    assert len(due) == 1
    local = datetime.fromtimestamp(due[0], ZoneInfo(zone))
    written = day.replace(hour=hour, minute=minute)
    exists = written.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute) == (exists.hour, exists.minute)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(SCHEDULES), st.integers(0, 20 * 24))
def test_skipping_counts_exactly_what_lies_before(zone, text, hours):
    schedule = Schedule(text, zone)
    due = next_after(schedule, at("2026-03-20T00:00:00Z"))
    moment = due + hours * HOUR
    expected = between(schedule, due, moment - 1, 10_000)
    assert skip_until(schedule, due, moment, 10_000) == (len(expected), next_after(schedule, moment - 1))


def test_skipping_stops_counting_but_not_skipping():
    schedule = Schedule("* * * * *")
    due = at("2026-01-01T00:00:00Z")
    assert skip_until(schedule, due, due + 365 * DAY, 1000) == (1000, due + 365 * DAY)


def test_finding_the_next_time_is_quick():
    start = time.perf_counter()
    for zone in (BRUSSELS, NEW_YORK):
        for _ in range(20):
            next_after(Schedule("* * * * *", zone), midnight(zone, AUTUMN[zone]) + 1.5 * HOUR)
    assert (time.perf_counter() - start) / 40 < 0.05


def test_leap_day_and_a_date_that_never_comes():
    leap = next_after(Schedule("0 0 29 2 *", BRUSSELS), at("2026-01-01T00:00:00Z"))
    assert local_time(Schedule("* * * * *", BRUSSELS), leap) == "2028-02-29T00:00:00+01:00"
    assert next_after(Schedule("0 0 31 2 *"), 0.0) is None


@pytest.mark.parametrize(
    "text",
    ["", "0 9 * *", "61 * * * *", "0 9 * * * *", "R 0 * * *", "H 0 * * *", "@reboot", "0 R(1-3) * * *"],
)
def test_bad_schedules_are_refused(text):
    with pytest.raises(BadSchedule):
        next_after(Schedule(text), 0.0)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", ""])
def test_bad_time_zones_are_refused(zone):
    with pytest.raises(BadSchedule):
        next_after(Schedule("0 9 * * *", zone), 0.0)


@pytest.mark.parametrize("text", ["@daily", "0 9 * * mon-fri", "0 0 l * *", "0 0 * * fri#2"])
def test_names_and_nicknames(text):
    assert next_after(Schedule(text), 0.0) > 0.0
