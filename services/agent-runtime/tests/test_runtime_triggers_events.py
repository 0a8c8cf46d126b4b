"""Triggers that listen to events."""

import asyncio

from runtime_kit.trigger_bench import QUICK, _until, _until_async, bench

from quarterdeck.common.bus import FaultPlan, InProcessBus, Message
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.testing.harness import TENANT


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
