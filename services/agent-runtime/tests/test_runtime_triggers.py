"""Triggers on the real engine: the clock, firing by hand, backfill, events; with time that the test owns."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from sqlalchemy import delete, insert

from quarterdeck.common import codec
from quarterdeck.common.bus import FaultPlan, InProcessBus, Message
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.database import within
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from quarterdeck.common.identity import KeyDirectory, WorkloadIdentity
from quarterdeck.common.rpc_client import Peer
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.tables import LATEST_CLOSURES, WATCHED
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.triggers import store
from quarterdeck.runtime.triggers.due import DueLoop
from quarterdeck.runtime.triggers.firing import Firer
from quarterdeck.runtime.triggers.service import Triggers

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
QUICK = {"Workflow/w": {"nodes": [{"name": "done", "transform": {"output": "${input}"}}]}}
SLOW = {"Workflow/w": {"nodes": [{"name": "hold", "wait": {"signal": {"name": "go"}}}]}}


def at(text):
    return datetime.fromisoformat(text).timestamp()


START = at("2026-06-01T08:00:00+02:00")
NINE = at("2026-06-01T09:00:00+02:00")


class OwnedClock:
    """Stands still until the test moves it."""

    def __init__(self, now):
        self._now = now
        self._sleepers = []

    def now(self):
        return self._now

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        await woken

    def move_to(self, now):
        self._now = now
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= now]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > now]
        for _, woken in due:
            if not woken.done():
                woken.set_result(None)


class Bench:
    """The engine, triggers on it, and a registry that is away: what is pinned is what the last run used."""

    def __init__(self, h, folder):
        self.h, self.clock = h, h.clock
        self.registry = Peer(
            "registry", f"unix:{folder}/nobody", WorkloadIdentity("agent-runtime", KeyDirectory(folder / "k"))
        )
        self.triggers = self.new_triggers()

    def new_triggers(self):
        """Triggers as a new process has them."""
        self.starter = Starter(self.h.engine, self.registry)
        self.tenants = TenantDirectory(self.registry)
        return Triggers(self.h.engine, self.starter, self.h.bus, self.tenants)

    def new_loop(self, starter=None):
        async def tenant_of(row):
            return TenantId(row.tenant, row.tenant_id)

        return DueLoop(self.h.engine, Firer(self.h.engine, starter or self.starter), tenant_of)

    async def apply(self, name, spec):
        """A Trigger object arrives, as the object watcher brings it."""
        full = {"target": {"kind": "Workflow", "name": "w"}, **spec}
        watched = Watched(TENANT.name, TENANT.id, "Trigger", name, "r1", {"spec": full})
        await self.h.database.write(_save_watched, watched)
        await self.triggers.on_object(watched, False)

    async def delete(self, name, tell=True):
        watched = Watched(TENANT.name, TENANT.id, "Trigger", name, "r1", {"spec": {}})
        await self.h.database.write(_forget_watched, name)
        if tell:
            await self.triggers.on_object(watched, True)

    async def tick(self, now=None, loop=None):
        """Fires everything that is due at a time."""
        if now is not None:
            self.clock.move_to(now)
        loop = loop or self.new_loop()
        while await loop.fire_due() == 0.0:
            pass

    async def runs(self, name="t"):
        """Runs of a trigger, oldest first."""
        wanted = runs.RunFilter(trigger=name)
        return await self.h.database.read(
            runs.list_runs, TENANT.id, wanted, limit=10_000, after="", newest_first=False
        )

    async def inputs(self, name="t"):
        return [codec.loads(row.input) for row in await self.runs(name)]

    async def state(self, name="t"):
        return await self.triggers.state(TENANT, name)


def _save_watched(connection, watched):
    _forget_watched(connection, watched.name)
    values = {
        "tenant": watched.tenant,
        "tenant_id": watched.tenant_id,
        "kind": watched.kind,
        "name": watched.name,
        "revision": watched.revision,
        "object_json": codec.dumps(watched.object),
    }
    connection.execute(insert(WATCHED).values(**values))


def _forget_watched(connection, name):
    within(connection, TENANT.id)
    connection.execute(delete(WATCHED).where(WATCHED.c.name == name))


@asynccontextmanager
async def bench(tmp_path, specs=QUICK, now=START, bus=None):
    async with Harness(tmp_path, specs=specs, clock=OwnedClock(now), bus=bus) as h:
        made = Bench(h, tmp_path)
        try:
            yield made
        finally:
            await made.registry.close()


def daily(**more):
    cron = {"schedule": "0 9 * * *", "timeZone": "Europe/Brussels", "overlap": "allow", **more}
    return {"cron": cron, "input": {"when": "${trigger.scheduledAt}", "local": "${trigger.localTime}"}}


def every_minute(**more):
    return {"cron": {"schedule": "* * * * *", "overlap": "allow", **more}}


# -- by the clock ------------------------------------------------------------------------------
async def test_daily_at_nine(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        assert (await b.state()).next_due_at == rfc3339(NINE)
        await b.tick(NINE - 0.001)
        assert await b.runs() == []
        await b.tick(NINE)
        [run] = await b.runs()
        assert codec.loads(run.input) == {"when": rfc3339(NINE), "local": "2026-06-01T09:00:00+02:00"}
        assert codec.loads(run.labels) == {"quarterdeck.dev/trigger": "t"}
        assert codec.loads(run.principal)["subject"] == "trigger:default/t"
        assert await b.h.output(run.run_id) == codec.loads(run.input)
        state = await b.state()
        assert (state.fired, state.skipped, state.last_run_id) == (1, 0, run.run_id)
        assert state.last_fired_at == rfc3339(NINE) and state.next_due_at == rfc3339(NINE + DAY)


async def test_service_account_is_whom_the_run_acts_for(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {**daily(), "serviceAccount": "bookkeeper"})
        await b.apply("bad", {**daily(), "serviceAccount": "system:service:registry"})
        await b.tick(NINE)
        assert codec.loads((await b.runs())[0].principal)["subject"] == "bookkeeper"
        assert await b.runs("bad") == [] and (await b.state("bad")).skipped == 1


async def test_the_loop_wakes_at_the_due_time_and_after_a_change(tmp_path):
    async with bench(tmp_path) as b:
        await b.triggers.start()
        try:
            await _until(lambda: b.clock._sleepers)
            b.clock.move_to(START + 10)
            await asyncio.sleep(0.05)
            await b.apply("t", daily())
            for step in range(0, 61):
                b.clock.move_to(NINE - 60 + step)
                await asyncio.sleep(0.002)
            await _until_async(b.runs)
            assert len(await b.runs()) == 1
        finally:
            await b.triggers.stop()


async def test_one_query_while_nothing_is_due(tmp_path, monkeypatch):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        reads = []
        real = b.h.database.read

        async def counted(function, *args, **kw):
            reads.append(function)
            return await real(function, *args, **kw)

        monkeypatch.setattr(b.h.database, "read", counted)
        assert 0 < await b.new_loop().fire_due() <= 5.0
        assert reads == [store.next_wake]


async def _until(condition):
    async with asyncio.timeout(5):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


async def _until_async(condition):
    async with asyncio.timeout(5):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.005)


async def test_crash_between_start_and_advance_starts_one_run(tmp_path, monkeypatch):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        real = store.advance

        def crash(*_):
            raise Unavailable("the machine went away")

        monkeypatch.setattr(store, "advance", crash)
        b.clock.move_to(NINE)
        await b.new_loop().fire_due()
        assert len(await b.runs()) == 1 and (await b.state()).next_due_at == rfc3339(NINE)
        monkeypatch.setattr(store, "advance", real)
        b.triggers = b.new_triggers()
        await b.apply("t", daily())
        await b.tick(NINE + 20)
        assert len(await b.runs()) == 1
        state = await b.state()
        assert (state.fired, state.next_due_at) == (1, rfc3339(NINE + DAY))


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
async def test_crash_between_start_and_advance_is_no_overlap(tmp_path, monkeypatch, overlap):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", daily(overlap=overlap))
        with monkeypatch.context() as patch:
            patch.setattr(store, "advance", lambda *_: 1 / 0)
            b.clock.move_to(NINE)
            await b.new_loop().fire_due()
        [run] = await b.runs()
        await b.h.wait(run.run_id, "waiting")
        await b.tick(NINE + 20)
        state = await b.state()
        assert (state.fired, state.skipped) == (1, 0)
        assert [row.state for row in await b.runs()] == ["waiting"]


async def test_crash_and_spec_change_do_not_start_twice(tmp_path, monkeypatch):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        with monkeypatch.context() as patch:
            patch.setattr(store, "advance", lambda *_: 1 / 0)
            b.clock.move_to(NINE)
            await b.new_loop().fire_due()
        await b.apply("t", {**daily(), "input": {"other": True}})
        await b.tick(NINE + 20)
        assert len(await b.runs()) == 1 and (await b.state()).next_due_at == rfc3339(NINE + DAY)


async def test_doubled_wake_ups_start_one_run(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", every_minute())
        for minute in range(1, 21):
            b.clock.move_to(START + minute * MINUTE)
            await asyncio.gather(*(b.new_loop().fire_due() for _ in range(3)))
        assert len(await b.runs()) == 20
        state = await b.state()
        assert (state.fired, state.skipped) == (20, 0)
        assert state.next_due_at == rfc3339(START + 21 * MINUTE)


async def test_start_that_fails_is_tried_again_and_hurts_nobody_else(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        await b.apply("other", daily())
        failing = _FailsFor("t", b.starter)
        await b.tick(NINE, b.new_loop(failing))
        assert await b.runs() == [] and len(await b.runs("other")) == 1
        assert (await b.state()).next_due_at == rfc3339(NINE)
        failing.name = ""
        await b.tick(NINE + 0.5, b.new_loop(failing))
        assert await b.runs() == []
        await b.tick(NINE + 1, b.new_loop(failing))
        assert await b.inputs() == [{"when": rfc3339(NINE), "local": "2026-06-01T09:00:00+02:00"}]


async def test_start_that_never_works_is_given_up_after_the_catch_up_window(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily(catchUp="10m"))
        failing = b.new_loop(_FailsFor("t", b.starter))
        for minute in range(12):
            await b.tick(NINE + minute * MINUTE, failing)
        state = await b.state()
        assert (state.fired, state.skipped, state.next_due_at) == (0, 1, rfc3339(NINE + DAY))


async def test_full_disk_does_not_make_the_loop_spin(tmp_path, monkeypatch):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        b.clock.move_to(NINE)
        real = b.h.database.write

        async def full(function, *args, **kw):
            if function.__module__ == store.__name__:
                raise Unavailable("the disk is full")
            return await real(function, *args, **kw)

        with monkeypatch.context() as patch:
            patch.setattr(b.h.database, "write", full)
            assert await b.new_loop().fire_due() >= 1.0
        await b.tick(NINE + 1)
        assert len(await b.runs()) == 1 and (await b.state()).next_due_at == rfc3339(NINE + DAY)


class _FailsFor:
    """A starter whose registry answers, but for one trigger."""

    def __init__(self, name, starter):
        self.name, self._starter = name, starter

    async def start(self, wish):
        if wish.trigger == self.name:
            raise Unavailable("the registry is away")
        return await self._starter.start(wish)


async def test_target_that_is_gone_and_input_that_does_not_fit_are_skipped(tmp_path):
    specs = {
        "Workflow/w": {**QUICK["Workflow/w"], "input": {"schema": {"type": "object", "required": ["x"]}}}
    }
    async with bench(tmp_path, specs) as b:
        await b.apply("t", daily())
        await b.apply("bad-template", {**daily(), "input": "${trigger.nothing}"})
        await b.tick(NINE)
        for name in ("t", "bad-template"):
            state = await b.state(name)
            assert (state.fired, state.skipped, state.next_due_at) == (0, 1, rfc3339(NINE + DAY))


# -- downtime ----------------------------------------------------------------------------------
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


# -- overlap -----------------------------------------------------------------------------------
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


# -- changes of the object ---------------------------------------------------------------------
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


async def test_change_during_a_firing_is_not_overwritten(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        b.clock.move_to(NINE)
        changed = _ChangesDuring(b, daily(schedule="0 12 * * *"))
        await b.new_loop(changed).fire_due()
        assert len(await b.runs()) == 1
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


# -- by hand, by route, by webhook -------------------------------------------------------------
async def test_every_firing_by_hand_is_its_own_but_a_repeated_id_is_not(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"http": {"path": "/x"}})
        first = await b.triggers.fire(TENANT, "t", {"n": 1}, "")
        second = await b.triggers.fire(TENANT, "t", {"n": 1}, "")
        assert first.runs != second.runs
        once = await b.triggers.fire(TENANT, "t", {"n": 2}, "hook-7")
        again = await b.triggers.fire(TENANT, "t", {"n": 3}, "hook-7")
        assert once.runs == again.runs and again.skipped == ""
        assert await b.inputs() == [{"n": 1}, {"n": 1}, {"n": 2}]
        assert (await b.state()).fired == 3


async def test_repeats_at_the_same_moment_start_one_run(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"webhook": {"path": "/x"}})
        fired = await asyncio.gather(*(b.triggers.fire(TENANT, "t", {"n": n}, "id" * 300) for n in range(5)))
        assert len({tuple(one.runs) for one in fired}) == 1 and len(await b.runs()) == 1


async def test_request_reaches_the_templates(tmp_path):
    async with bench(tmp_path) as b:
        spec = {
            "http": {"path": "/api/v1/accounts/{id}/analyze"},
            "input": {"account": "${request.path.id}", "body": "${request.body}", "q": "${request.query}"},
            "key": "account-${request.path.id}",
        }
        await b.apply("t", spec)
        payload = {"method": "POST", "body": {"a": 1}, "path": {"id": "A-17"}, "headers": {}}
        fired = await b.triggers.fire(TENANT, "t", payload, "f1")
        [run] = await b.runs()
        assert fired.runs == [run.run_id] and run.run_key == "account-A-17"
        assert codec.loads(run.input) == {"account": "A-17", "body": {"a": 1}, "q": {}}


async def test_template_that_fails_names_its_field(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"http": {"path": "/x"}, "input": {"a": ["${request.body.missing}"]}})
        with pytest.raises(FailedPrecondition) as caught:
            await b.triggers.fire(TENANT, "t", {"body": {}}, "f1")
        assert caught.value.field == "spec.input.a[0]"


async def test_firing_by_hand_obeys_the_overlap_rule(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", daily(overlap="skip"))
        first = await b.triggers.fire(TENANT, "t", None, "")
        second = await b.triggers.fire(TENANT, "t", None, "")
        assert second.runs == [] and first.runs[0] in second.skipped


async def test_trigger_that_was_just_applied_is_waited_for(tmp_path):
    async with bench(tmp_path) as b:
        firing = asyncio.create_task(b.triggers.fire(TENANT, "t", None, "f"))
        await asyncio.sleep(0.1)
        await b.apply("t", daily())
        assert len((await firing).runs) == 1


async def test_target_without_a_revision_is_unavailable_while_the_registry_is_away(tmp_path):
    async with bench(tmp_path) as b:
        await b.h.change(delete(LATEST_CLOSURES))
        await b.apply("t", {"http": {"path": "/x"}})
        with pytest.raises(Unavailable):
            await b.triggers.fire(TENANT, "t", None, "f")


# -- backfill ----------------------------------------------------------------------------------
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


# -- events ------------------------------------------------------------------------------------
def on_event(type="payment.received", **more):
    return {"event": {"type": type, **more}}


async def test_event_fires_what_listens(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {**on_event(), "input": {"n": "${event.data.n}", "from": "${event.source}"}})
        await b.apply("all", on_event("payment.*"))
        await b.apply("else", on_event("invoice.sent"))
        await b.apply("held", {**on_event(), "paused": True})
        assert await b.triggers.publish(TENANT, "payment.received", {"n": 1}, "e1", "/bank") == 2
        assert await b.inputs() == [{"n": 1, "from": "/bank"}]
        assert await b.inputs("all") == [{"n": 1}]
        assert await b.runs("else") == [] and await b.runs("held") == []


async def test_event_id_makes_repeats_harmless_per_source(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", on_event())
        for source in ("/bank", "/bank", "/till"):
            assert await b.triggers.publish(TENANT, "payment.received", {"s": source}, "e1", source) == 1
        assert await b.inputs() == [{"s": "/bank"}, {"s": "/till"}]
        for _ in range(2):
            await b.triggers.publish(TENANT, "payment.received", None, "", "/bank")
        assert len(await b.runs()) == 4


async def test_filters_decide_and_fail_closed(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", on_event(filter="${event.data.amount > 100}"))
        await b.apply("odd", on_event(filter="${event.data.amount}"))
        matched = [
            await b.triggers.publish(TENANT, "payment.received", data, f"e{n}", "/bank")
            for n, data in enumerate([{"amount": 120}, {"amount": 80}, {}, {"amount": "much"}, None])
        ]
        assert matched == [1, 0, 0, 0, 0]
        assert await b.inputs() == [{"amount": 120}]
        assert await b.runs("odd") == []


async def test_event_of_another_tenant_fires_nothing(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", on_event())
        other = TenantId("other", "00000000-0000-7000-8000-000000000002")
        assert await b.triggers.publish(other, "payment.received", {}, "e1", "/bank") == 0
        assert await b.runs() == []


async def test_accepted_event_survives_a_bus_that_loses_everything(tmp_path):
    async with bench(tmp_path, bus=InProcessBus(FaultPlan(loss=1.0))) as b:
        await b.apply("t", on_event())
        await b.triggers.start()
        assert await b.triggers.publish(TENANT, "payment.received", {}, "e1", "/bank") == 1
        assert len(await b.runs()) == 1
        await b.triggers.stop()


async def test_events_of_others_come_by_the_bus_doubled_and_out_of_order(tmp_path):
    bus = InProcessBus(FaultPlan(duplication=0.5, reordering=0.5, seed=7))
    async with bench(tmp_path, bus=bus) as b:
        await b.apply("t", on_event())
        await b.triggers.start()
        for n in range(20):
            data = {"id": f"e{n}", "source": "/else", "data": {"n": n}}
            await bus.publish(Message("events.payment.received", TENANT.id, data))
        await bus.publish(Message("events.payment.received", TENANT.id, {"source": "no id"}))

        async def all_there():
            return len(await b.runs()) >= 20

        await _until_async(all_there)
        await asyncio.sleep(0.05)
        assert sorted(found["n"] for found in await b.inputs()) == list(range(20))
        await b.triggers.stop()


async def test_own_events_are_not_fired_twice(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", on_event())
        await b.triggers.start()
        seen = []

        async def listen(message):
            seen.append(message)

        await b.h.bus.subscribe("events.*", listen)
        await b.triggers.publish(TENANT, "payment.received", {"n": 1}, "e1", "/bank")
        await _until(lambda: seen)
        assert seen[0].topic == "events.payment.received" and seen[0].data["data"] == {"n": 1}
        assert len(await b.runs()) == 1 and (await b.state()).fired == 1
        await b.triggers.stop()


async def test_broken_listener_does_not_keep_the_event_from_others(tmp_path):
    specs = {"Workflow/w": {**QUICK["Workflow/w"], "input": {"schema": {"type": "object"}}}}
    async with bench(tmp_path, specs) as b:
        await b.apply("a-broken", {**on_event(), "input": "${event.data.missing}"})
        await b.apply("a-gone", {**on_event(), "input": "text"})
        await b.apply("t", on_event())
        assert await b.triggers.publish(TENANT, "payment.received", {"n": 1}, "e1", "/bank") == 3
        assert len(await b.runs()) == 1
        for name in ("a-broken", "a-gone"):
            assert (await b.state(name)).skipped == 1 and await b.runs(name) == []
