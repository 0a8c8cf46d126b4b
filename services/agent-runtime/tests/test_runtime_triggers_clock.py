"""Triggers by the clock: due times, crashes around them, starts that fail."""

import asyncio

import pytest
from runtime_kit.trigger_bench import (
    DAY,
    MINUTE,
    NINE,
    QUICK,
    SLOW,
    START,
    _until,
    bench,
    daily,
    every_minute,
)

from quarterdeck.common import codec
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.triggers import store


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
        assert codec.loads(run.principal)["subject"] == "system:serviceaccount:default:triggers"
        assert await b.h.output(run.run_id) == codec.loads(run.input)
        state = await b.state()
        assert (state.fired, state.skipped, state.last_run_id) == (1, 0, run.run_id)
        assert state.last_fired_at == rfc3339(NINE) and state.next_due_at == rfc3339(NINE + DAY)


async def test_service_account_is_whom_the_run_acts_for(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {**daily(), "serviceAccount": "bookkeeper"})
        await b.apply("bad", {**daily(), "serviceAccount": "system:service:registry"})
        await b.apply("denied", {**daily(), "serviceAccount": "nobody"})
        await b.tick(NINE)
        principal = codec.loads((await b.runs())[0].principal)
        assert principal["subject"] == "system:serviceaccount:default:bookkeeper"
        assert "quarterdeck:platform-admins" not in principal["groups"]
        for name in ("bad", "denied"):
            assert await b.runs(name) == [] and (await b.state(name)).skipped == 1
        assert sorted(b.told) == [("denied", "nobody may not create runs"), ("t", "")]
        denied = b.h.engine.instruments.triggers_denied._value.get()
        assert denied == 1


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
            async with asyncio.timeout(20):
                while not await b.runs():  # on a slow machine the loop began to sleep while time went on
                    b.clock.move_to(b.clock.now() + 1)
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
