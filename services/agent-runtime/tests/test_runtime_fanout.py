"""A run that one process advances is streamed by another."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from quarterdeck.common.bus import FaultPlan, InProcessBus, Message, open_bus
from quarterdeck.common.ids import uuid7
from quarterdeck.runtime.constants import TOPIC_EVENTS
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.store.queue import quarantine
from quarterdeck.runtime.streaming import sweeping
from quarterdeck.runtime.streaming.fanout import Fanout
from quarterdeck.runtime.streaming.following import follow
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.streaming.sweeping import Sweeper
from quarterdeck.runtime.testing.harness import TENANT, Harness

SPECS = {
    "Workflow/w": {
        "nodes": [
            {"name": "a", "wait": {"signal": {"name": "go"}}, "next": "b"},
            {"name": "b", "wait": {"signal": {"name": "go"}}},
        ]
    }
}


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@dataclass
class Process:
    """What streams runs in one process, without a worker."""

    bus: InProcessBus
    name: str = field(default_factory=uuid7)
    live: LiveEvents = field(default_factory=LiveEvents)
    instruments: Instruments = field(default_factory=lambda: Instruments(CollectorRegistry()))

    def __post_init__(self):
        self.fanout = Fanout(self.bus, self.name, self.live, self.instruments)


class Reader:
    """A client's stream: what it got, and when."""

    def __init__(self, database, process, run_id):
        self.got, self.times = [], []
        self._events = follow(database, process.live, TENANT.id, run_id, 0, journal_only=False, patience=60.0)
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        async for event in self._events:
            if event is not None:
                self.got.append((event.seq, event.type))
                self.times.append(time.time() - event.at)

    async def has(self, count):
        await until(lambda: len(self.got) >= count)

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self._events.aclose()


@contextlib.asynccontextmanager
async def two(harness, buses):
    """The process of the harness's worker and another one, each with its fan-out."""
    here, there = Process(buses[0], live=harness.engine.live), Process(buses[1])
    await here.fanout.start()
    await there.fanout.start()
    yield here, there
    await there.fanout.stop()
    await here.fanout.stop()


async def known(here, run_id):
    """Waits until the process has heard that somebody streams the run."""
    await until(lambda: here.fanout.is_wanted(run_id))


async def streamed(h, here, there):
    """Starts a run in one process and streams it from the other; returns its id and the reader."""
    run_id = await h.start("Workflow", "w")
    await h.wait(run_id, "waiting")
    reader = Reader(h.database, there, run_id)
    await known(here, run_id)
    return run_id, reader


async def whole_morning(h, there, here):
    """Streams a run from another process while it goes on; returns the reader and its journal."""
    run_id, reader = await streamed(h, here, there)
    await h.signal(run_id, "go")
    await h.signal(run_id, "go")
    await h.wait(run_id)
    journal = [(seq, event.type) for seq, event in enumerate(await h.journal(run_id), 1)]
    await reader.has(len(journal))
    await reader.close()
    assert reader.got == journal
    assert there.live.listener_count == 0
    return reader


async def test_another_process_streams_a_run_without_asking_the_journal(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [h.bus, h.bus]) as (here, there):
        began = time.monotonic()
        await whole_morning(h, there, here)
        assert time.monotonic() - began < 10
        assert here.instruments.live_sent._value.get() > 0
        assert there.instruments.live_heard._value.get() > 0


async def test_over_rabbitmq(tmp_path, rabbitmq_url):
    url = f"{rabbitmq_url}?namespace=t{uuid7()}"
    buses = [open_bus(url), open_bus(url)]
    async with Harness(tmp_path, specs=SPECS) as h:
        async with two(h, buses) as (here, there):
            reader = await whole_morning(h, there, here)
            live = sorted(reader.times[4:])
            print(
                f"from event to client: median {live[len(live) // 2] * 1e3:.1f} ms, most {live[-1] * 1e3:.1f}"
            )
        for bus in buses:
            await bus.close()


@pytest.mark.parametrize("loss", [0.5, 1.0])
async def test_what_gets_lost_is_found_in_the_journal(tmp_path, monkeypatch, loss):
    monkeypatch.setattr(sweeping, "PERIOD", 0.05)
    bus = InProcessBus(FaultPlan(loss=loss, duplication=0.3, reordering=0.3, seed=3))
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [bus, bus]) as (_here, there):
        sweep = asyncio.create_task(Sweeper(h.database, there.live).run())
        run_id = await h.start("Workflow", "w")
        await h.wait(run_id, "waiting")
        reader = Reader(h.database, there, run_id)
        await h.signal(run_id, "go")
        await h.signal(run_id, "go")
        await h.wait(run_id)
        journal = [(seq, event.type) for seq, event in enumerate(await h.journal(run_id), 1)]
        await reader.has(len(journal))
        await reader.close()
        sweep.cancel()
        assert reader.got == journal


async def test_a_worker_that_does_not_know_hears_it_again_once_the_sweep_found_something(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [h.bus, h.bus]) as (here, there):
        run_id, reader = await streamed(h, here, there)
        here.fanout._interest.forget(there.name)
        await h.signal(run_id, "go")
        await h.wait(run_id, "waiting")
        assert not here.fanout.is_wanted(run_id)
        await Sweeper(h.database, there.live).sweep()
        await known(here, run_id)
        await reader.has(len(await h.journal(run_id)))
        await reader.close()


async def test_what_models_say_reaches_streams_elsewhere_too(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [h.bus, h.bus]) as (here, there):
        run_id, reader = await streamed(h, here, there)
        count = len(await h.journal(run_id))
        here.live.delta(TENANT.id, run_id, "model.delta", {"text": "so"}, h.clock.now())
        await reader.has(count + 1)
        await reader.close()
        assert reader.got[-1] == (0, "model.delta")


async def test_nothing_is_sent_of_runs_that_nobody_streams(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [h.bus, h.bus]) as (here, _there):
        sent = []

        async def note(message: Message):
            sent.append(message.topic)

        await h.bus.subscribe(f"{TOPIC_EVENTS}.*", note)
        run_id = await h.start("Workflow", "w")
        await h.signal(run_id, "go")
        await h.signal(run_id, "go")
        await h.wait(run_id)
        await asyncio.sleep(0.05)
        assert sent == []
        assert here.instruments.live_sent._value.get() == 0


async def test_a_process_that_is_gone_is_told_nothing_more(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h, two(h, [h.bus, h.bus]) as (here, there):
        run_id, reader = await streamed(h, here, there)
        await reader.close()
        await there.fanout.stop()
        await h.signal(run_id, "go")
        await until(lambda: not here.fanout.is_wanted(run_id))


async def test_a_quarantined_run_lets_its_streams_look(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        live = LiveEvents()
        run_id = await h.start("Workflow", "w")
        await h.wait(run_id, "waiting")
        queue, sweeper = live.listen(run_id), Sweeper(h.database, live)
        await sweeper.sweep()
        await sweeper.sweep()
        assert queue.get_nowait() is None
        assert queue.empty()
        await h.database.write(quarantine, TENANT.id, run_id, "test")
        await sweeper.sweep()
        assert queue.get_nowait() is None
