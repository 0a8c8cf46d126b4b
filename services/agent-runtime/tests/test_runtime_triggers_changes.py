"""Triggers whose object changes, and backfills."""

import pytest
from runtime_kit.trigger_bench import DAY, HOUR, MINUTE, NINE, SLOW, START, at, bench, daily, every_minute

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.runtime.testing.harness import TENANT


async def test_pause_and_resume(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        await b.apply("t", {**daily(), "paused": True})
        state = await b.state()
        assert state.paused and state.next_due_at == ""
        await b.tick(NINE + 5)
        fired = await b.triggers.fire(TENANT, "t", None, "")
        assert fired.runs == [] and "paused" in fired.skipped
        await b.apply("t", daily())
        await b.tick()
        assert await b.runs() == []
        await b.tick(NINE + DAY)
        assert len(await b.runs()) == 1


async def test_changed_schedule_counts_from_now_and_the_rest_leaves_it_alone(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        b.clock.move_to(NINE + 10)
        await b.apply("t", {**daily(), "description": "same schedule", "input": 1})
        assert (await b.state()).next_due_at == rfc3339(NINE)
        await b.apply("t", daily(schedule="30 9 * * *"))
        assert (await b.state()).next_due_at == rfc3339(NINE + 30 * MINUTE)
        await b.apply("t", daily(timeZone="America/New_York"))
        assert (await b.state()).next_due_at == rfc3339(at("2026-06-01T09:00:00-04:00"))
        await b.apply("t", {"http": {"path": "/x"}})
        assert (await b.state()).next_due_at == ""
        await b.tick(NINE + 2 * DAY)
        assert await b.runs() == []


async def test_a_schedule_that_changes_during_a_firing_takes_it_back(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        b.clock.move_to(NINE)
        changed = _ChangesDuring(b, daily(schedule="0 12 * * *"))
        await b.new_loop(changed).fire_due()
        assert await b.runs() == []
        assert (await b.state()).next_due_at == rfc3339(NINE + 3 * HOUR)


class _ChangesDuring:
    """A starter during whose work the trigger is applied anew."""

    def __init__(self, b, spec):
        self._bench, self._spec = b, spec

    async def start(self, wish):
        await self._bench.apply("t", self._spec)
        return await self._bench.starter.start(wish)


async def test_unreadable_object_stops_the_trigger_and_nothing_else(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        await b.apply("other", daily())
        await b.apply("t", {"cron": {"schedule": "R 9 * * *"}})
        await b.tick(NINE)
        assert await b.runs() == [] and len(await b.runs("other")) == 1


async def test_deleted_trigger(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        await b.delete("t")
        await b.tick(NINE)
        assert await b.runs() == []
        with pytest.raises(NotFound, match="no trigger t"):
            await b.triggers.state(TENANT, "t")


async def test_backfill_starts_what_was_not_fired(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {**daily(), "input": "${trigger.scheduledAt}"})
        await b.tick(NINE)
        b.clock.move_to(NINE + 2 * DAY - HOUR)
        since, until = rfc3339(NINE - 3 * DAY), rfc3339(NINE + DAY)
        fired = await b.triggers.fire(TENANT, "t", None, "", since, until)
        assert len(fired.runs) == 5 and fired.skipped == ""
        assert sorted(await b.inputs()) == [rfc3339(NINE + day * DAY) for day in range(-3, 2)]
        again = await b.triggers.fire(TENANT, "t", None, "", since, until)
        assert again.runs == fired.runs and len(await b.runs()) == 5
        await b.tick()
        assert len(await b.runs()) == 5


async def test_backfill_never_skips(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", daily(overlap="skip"))
        fired = await b.triggers.fire(TENANT, "t", None, "", rfc3339(NINE - 3 * DAY), "")
        assert len(fired.runs) == 3
        await b.h.wait(fired.runs[0], "waiting")
        assert [(await b.h.row(run)).state for run in fired.runs] == ["waiting", "pending", "pending"]


@pytest.mark.parametrize(
    ("spec", "since", "until", "field"),
    [
        (every_minute(), rfc3339(START - 2 * DAY), "", "backfillFrom"),
        (daily(), "yesterday", "", "backfillFrom"),
        (daily(), "2026-05-01T09:00:00", "", "backfillFrom"),
        (daily(), "", rfc3339(START), "backfillFrom"),
        (daily(), rfc3339(START - DAY), rfc3339(START + DAY), "backfillTo"),
        (daily(), rfc3339(START), rfc3339(START - DAY), "backfillTo"),
        ({"http": {"path": "/x"}}, rfc3339(START - DAY), "", "backfillFrom"),
    ],
)
async def test_bad_backfills_are_refused(tmp_path, spec, since, until, field):
    async with bench(tmp_path) as b:
        await b.apply("t", spec)
        with pytest.raises(InvalidArgument) as caught:
            await b.triggers.fire(TENANT, "t", None, "", since, until)
        assert caught.value.field == field and await b.runs() == []


async def test_backfill_of_an_empty_interval_says_so(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        fired = await b.triggers.fire(TENANT, "t", None, "", rfc3339(START - HOUR), "")
        assert fired.runs == [] and "no scheduled time" in fired.skipped
