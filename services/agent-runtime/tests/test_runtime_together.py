"""Appends of many runs that set and clear timers go together, on PostgreSQL in one statement."""

import asyncio

from sqlalchemy import delete, select, text

from quarterdeck.runtime.store.commits import commit
from quarterdeck.runtime.tables import TIMERS
from quarterdeck.runtime.testing.harness import Harness

PAID = {"signal": {"name": "paid", "timeout": "1h"}}
SPECS = {
    "Workflow/w": {
        "nodes": [
            {"name": "wait", "wait": PAID, "next": [{"to": "work"}]},
            {"name": "work", "tool": {"server": "s", "name": "slow"}, "next": [{"to": "pause"}]},
            {"name": "pause", "wait": {"duration": "1h"}},
        ]
    }
}


class Slow:
    """A tool that answers when it may, and counts how many wait."""

    def __init__(self):
        self.calls = 0
        self.open = asyncio.Event()

    async def __call__(self, _arguments):
        self.calls += 1
        await self.open.wait()
        return 1


async def timers(h):
    return [tuple(row) for row in await h.look(select(TIMERS.c.run_id, TIMERS.c.timer))]


async def test_timers_are_set_and_cleared_with_appends_that_go_together(tmp_path, monkeypatch):
    slow, alone = Slow(), []

    def noted(connection, unit, now):
        alone.append(unit.run_id)
        return commit(connection, unit, now)

    monkeypatch.setattr("quarterdeck.runtime.execution.appending.commit", noted)
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": slow}) as h:
        ids = await asyncio.gather(*(h.start("Workflow", "w") for _ in range(12)))

        async def parked():
            return sorted(run_id for run_id, _ in await timers(h)) == sorted(ids)

        await h.until(parked)
        waiting = dict(await timers(h))
        await asyncio.gather(*(h.signal(run_id, "paid") for run_id in ids[:8]))

        async def at_work():
            return slow.calls == 8

        await h.until(at_work)
        assert dict(await timers(h)) == {run_id: waiting[run_id] for run_id in ids[8:]}
        slow.open.set()

        async def pausing():
            return len(await timers(h)) == 12

        await h.until(pausing)
        assert all(timer != waiting[run_id] for run_id, timer in await timers(h) if run_id in ids[:8])
        assert not alone


async def test_timer_that_fires_at_this_moment_holds_up_no_append(tmp_path):
    slow = Slow()
    async with Harness(tmp_path, specs=SPECS, tools={"s/slow": slow}) as h:
        if not h.url_of(tmp_path).startswith("postgresql"):
            return  # there is one writer at a time
        run_id = await h.start("Workflow", "w")

        async def parked():
            return await timers(h)

        await h.until(parked)
        async with h.database._pool.link() as link:
            await link.tell("BEGIN")
            await link.connection.execute(delete(TIMERS).where(TIMERS.c.run_id == run_id))
            await h.signal(run_id, "paid")

            async def at_work():
                return slow.calls == 1

            await h.until(at_work, timeout=1.5)  # a lock would be waited for longer
            await link.connection.execute(text("ROLLBACK"))
        slow.open.set()
