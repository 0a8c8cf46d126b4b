"""A run begins in the commit that accepts it, when there is room; everything else goes by the queue."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.common.errors import AlreadyExists, Conflict
from quarterdeck.runtime.store import births
from quarterdeck.runtime.tables import RUN_LABELS, RUN_QUEUE, TIMERS
from quarterdeck.runtime.testing.harness import Harness

STEP = {"name": "a", "tool": {"server": "s", "name": "slow", "arguments": {"n": 1}}}
SPECS = {"Workflow/w": {"nodes": [STEP]}}


class Gate:
    """A tool that waits until it may answer."""

    def __init__(self):
        self.calls = 0
        self.open = asyncio.Event()

    async def __call__(self, arguments):
        self.calls += 1
        await self.open.wait()
        return arguments


async def queued(h, run_id):
    query = select(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run_id)
    return await h.database.read(lambda connection: connection.execute(query).one())


async def abandon(worker):
    """Ends a worker as a crash would: nothing is handed back."""
    tasks = [*worker._loops, *worker._runs.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def at_leisure(h):
    """Waits until the worker's first look for work is over; meanwhile it lets no run begin."""
    await asyncio.sleep(0.01)

    async def looked():
        return h.worker._may_begin.is_set()

    await h.until(looked)


async def test_accepting_commit_holds_the_first_intent(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        await at_leisure(h)
        run_id = await h.start("Workflow", "w")
        place = await queued(h, run_id)
        assert (place.status, place.worker, place.epoch) == ("held", h.engine.worker, 1)
        assert [e.type for e in await h.journal(run_id)] == ["run.started", "step.started", "effect.intent"]
        gate.open.set()
        assert await h.output(run_id) == {"n": 1}
        assert gate.calls == 1


async def test_full_worker_leaves_a_run_to_the_queue(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}, concurrency=1) as h:
        await at_leisure(h)
        first = await h.start("Workflow", "w")
        second = await h.start("Workflow", "w")
        assert (await queued(h, second)).status == "ready"
        gate.open.set()
        assert await h.output(first) == await h.output(second) == {"n": 1}


async def test_run_that_began_is_taken_over_after_a_crash(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        run_id = await h.start("Workflow", "w")
        await abandon(h.worker)
        gate.open.set()
        await h.start_worker()
        assert await h.output(run_id) == {"n": 1}
        types = [e.type for e in await h.journal(run_id)]
        assert types.count("run.started") == types.count("effect.intent") == 1


async def test_refusal_reaches_the_caller_and_leaves_nothing_behind(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        first = await h.start("Workflow", "w", key="k")
        with pytest.raises(AlreadyExists, match="still open"):
            await h.start("Workflow", "w", key="k")
        behind = await h.start("Workflow", "w", key="k", key_conflict="queue")
        place = await queued(h, behind)
        assert (place.status, place.worker, place.epoch) == ("gated", "", 0)
        assert await h.journal(behind) == []
        gate.open.set()
        assert await h.output(first) == await h.output(behind) == {"n": 1}
        assert gate.calls == 2


async def test_repeated_wish_gets_the_same_run(tmp_path):
    gate = Gate()
    gate.open.set()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        ids = await asyncio.gather(*(h.start("Workflow", "w", idempotency_key="once") for _ in range(8)))
        assert len(set(ids)) == 1
        await h.output(ids[0])
        assert gate.calls == 1


async def test_worker_that_is_gone_begins_nothing(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": gate}) as h:
        await abandon(h.worker)
        run_id = await h.start("Workflow", "w")
        assert (await queued(h, run_id)).status == "ready"
        gate.open.set()
        await h.start_worker()
        assert await h.output(run_id) == {"n": 1}


async def test_more_decisions_than_one_commit_holds(tmp_path):
    nodes = [
        {"name": "a", "transform": {"output": 1}, "maxVisits": 700, "next": [{"to": "b"}]},
        {
            "name": "b",
            "transform": {"output": 1},
            "maxVisits": 700,
            "next": [{"to": "a", "when": "${nodes.a.visits < 400}"}],
        },
    ]
    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": nodes}}) as h:
        assert await h.output(await h.start("Workflow", "w")) == 1


MIXED = {
    "Workflow/w": {"nodes": [STEP]},
    "Workflow/pure": {"nodes": [{"name": "a", "transform": {"output": {"n": 2}}}]},
    "Workflow/waits": {"nodes": [{"name": "a", "wait": {"signal": {"name": "paid", "timeout": "1h"}}}]},
    "Workflow/pauses": {"nodes": [{"name": "a", "wait": {"duration": "50ms"}}]},
}


async def labelled(h, run_id):
    query = select(RUN_LABELS.c.name, RUN_LABELS.c.value).where(RUN_LABELS.c.run_id == run_id)
    return [tuple(row) for row in await h.look(query)]


async def test_runs_that_begin_together_are_as_if_alone(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=MIXED, tools={"s/slow": gate}) as h:
        await at_leisure(h)
        names = ["w", "pure", "waits", "pauses"] * 5
        ids = await asyncio.gather(*(h.start("Workflow", name, labels={"is": name}) for name in names))
        places = {row.run_id: row for row in await h.look(select(RUN_QUEUE))}
        for run_id, name in zip(ids, names, strict=True):
            row = await h.row(run_id)
            journal = await h.journal(run_id)
            assert await labelled(h, run_id) == [("is", name)]
            if name == "pure":
                assert (row.state, row.last_seq, run_id in places) == ("succeeded", len(journal), False)
                assert await h.output(run_id) == {"n": 2}
            elif name in ("w", "waits"):
                status = {"w": "held", "waits": "parked"}[name]
                assert (places[run_id].status, places[run_id].seq) == (status, len(journal))
        timers = {row.run_id for row in await h.look(select(TIMERS))}
        assert {run_id for run_id, name in zip(ids, names, strict=True) if name == "waits"} <= timers
        for run_id, name in zip(ids, names, strict=True):
            if name == "waits":
                await h.signal(run_id, "paid", {"n": 3})
            elif name == "w":
                gate.open.set()
        for run_id in ids:
            assert (await h.wait(run_id)).state == "succeeded"
        assert gate.calls == 5


async def test_used_key_answers_amid_runs_that_begin_together(tmp_path):
    gate = Gate()
    async with Harness(tmp_path, specs=MIXED, tools={"s/slow": gate}) as h:
        await at_leisure(h)
        first = await h.start("Workflow", "pure", idempotency_key="once")
        wishes = [h.start("Workflow", "pure", idempotency_key=f"other-{n}") for n in range(5)]
        wishes += [h.start("Workflow", "pure", idempotency_key="once")]
        wishes += [h.start("Workflow", "pauses", idempotency_key="once")]
        *others, same, refused = await asyncio.gather(*wishes, return_exceptions=True)
        assert same == first
        assert isinstance(refused, Conflict)
        assert len({first, *others}) == 6


async def test_parameters_of_the_shared_statement_fit_the_tables():
    """A column that is added later is in the statement and in its arguments alike."""
    wanted = 2 + sum(len(table.c) for table in births.TABLES)
    assert f"${wanted}::" in births.statement() and f"${wanted + 1}::" not in births.statement()
