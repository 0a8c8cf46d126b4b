"""Triggers after a downtime, and when the last run is still open."""

from runtime_kit.trigger_bench import DAY, MINUTE, NINE, SLOW, START, bench, daily, every_minute

from quarterdeck.common import codec
from quarterdeck.common.clock import rfc3339
from quarterdeck.runtime.testing.harness import TENANT
from quarterdeck.runtime.triggers.declared import read
from quarterdeck.runtime.triggers.due import scheduled


async def test_what_was_missed_is_made_up_for_within_the_window(tmp_path):
    async with bench(tmp_path) as b:
        spec = {**every_minute(catchUp="10m"), "input": "${trigger.scheduledAt}"}
        await b.apply("t", spec)
        down_until = START + 60 * MINUTE + 5
        b.clock.move_to(down_until)
        b.triggers = b.new_triggers()
        await b.apply("t", spec)
        await b.tick()
        assert await b.inputs() == [rfc3339(START + minute * MINUTE) for minute in range(51, 61)]
        state = await b.state()
        assert (state.fired, state.skipped) == (10, 50)
        assert state.next_due_at == rfc3339(START + 61 * MINUTE)


async def test_no_catch_up_still_fires_what_is_hardly_late(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily(catchUp="0s"))
        await b.tick(NINE + 5)
        assert len(await b.runs()) == 1
        await b.tick(NINE + DAY + 5 * MINUTE)
        state = await b.state()
        assert (len(await b.runs()), state.skipped) == (1, 1)


async def test_a_year_of_downtime_is_skipped_at_once(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", every_minute(catchUp="2m"))
        await b.tick(START + 365 * DAY)
        state = await b.state()
        assert (state.fired, state.skipped) == (3, 1000)
        assert state.next_due_at == rfc3339(START + 365 * DAY + MINUTE)


async def test_a_trigger_that_was_deleted_meanwhile_fires_no_more(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        await b.delete("t", tell=False)
        b.triggers = b.new_triggers()
        await b.triggers.start()
        await b.triggers.stop()
        await b.tick(NINE)
        assert await b.runs() == []


async def test_overlap_allow(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", every_minute(overlap="allow"))
        for minute in (1, 2, 3):
            await b.tick(START + minute * MINUTE)
        for row in await b.runs():
            await b.h.wait(row.run_id, "waiting")
        assert len(await b.runs()) == 3


async def test_overlap_skip_is_the_default(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", {"cron": {"schedule": "* * * * *"}})
        for minute in (1, 2, 3):
            await b.tick(START + minute * MINUTE)
        [run] = await b.runs()
        assert (await b.state()).skipped == 2
        await b.h.wait(run.run_id, "waiting")
        await b.h.signal(run.run_id, "go")
        await b.h.wait(run.run_id)
        await b.tick(START + 4 * MINUTE)
        assert len(await b.runs()) == 2


async def test_a_run_that_another_worker_started_for_the_same_time_is_no_overlap(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        declared = read({"target": {"kind": "Workflow", "name": "w"}, **daily()})
        first = await b.new_firer().fire(TENANT, "t", declared, scheduled(NINE), "skip")
        late, looks = b.new_firer(), []
        real = late._earlier

        async def looked_too_early(*key):
            looks.append(key)
            return await real(*key) if len(looks) > 1 else None

        late._earlier = looked_too_early
        fate = await late.fire(TENANT, "t", declared, scheduled(NINE), "skip")
        assert (fate.run_id, fate.skipped) == (first.run_id, "")
        other = await late.fire(TENANT, "t", declared, scheduled(NINE + DAY), "skip")
        assert first.run_id in other.skipped


async def test_overlap_skip_sees_runs_that_an_earlier_rule_started(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", every_minute(overlap="allow"))
        await b.tick(START + MINUTE)
        await b.apply("t", every_minute(overlap="skip"))
        await b.tick(START + 2 * MINUTE)
        assert len(await b.runs()) == 1


async def test_overlap_queue_runs_one_after_the_other(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", every_minute(overlap="queue"))
        for minute in (1, 2, 3):
            await b.tick(START + minute * MINUTE)
        queued = [row.run_id for row in await b.runs()]
        for index, run_id in enumerate(queued):
            await b.h.wait(run_id, "waiting")
            assert [(await b.h.row(later)).state for later in queued[index + 1 :]] == ["pending"] * (
                2 - index
            )
            await b.h.signal(run_id, "go")
            await b.h.wait(run_id, "succeeded")


async def test_overlap_replace_leaves_the_newest(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", every_minute(overlap="replace"))
        for minute in (1, 2, 3):
            await b.tick(START + minute * MINUTE)
        first, second, third = [row.run_id for row in await b.runs()]
        await b.h.wait(third, "waiting")
        assert (await b.h.wait(first)).state == "cancelled"
        assert (await b.h.wait(second)).state == "cancelled"
        assert third in codec.loads((await b.h.row(second)).error)["message"]
