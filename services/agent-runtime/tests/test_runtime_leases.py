"""Who may declare whom dead: not a worker that was late itself, but for one renewal only."""

import asyncio

from sqlalchemy import insert, select

from quarterdeck.common.clock import SystemClock
from quarterdeck.runtime.constants import HEARTBEAT_PERIOD, LATE_SECONDS, LEASE_SECONDS
from quarterdeck.runtime.execution.leasing import THOROUGH_EVERY, Lease, may_judge
from quarterdeck.runtime.tables import RUN_QUEUE, WORKERS
from quarterdeck.runtime.testing.harness import Harness

SPECS = {"Workflow/one": {"nodes": [{"name": "t", "transform": {"output": 1}}]}}


def test_a_late_worker_forbears_once():
    assert may_judge(HEARTBEAT_PERIOD, forbore=False)
    assert not may_judge(LATE_SECONDS + 0.1, forbore=False)
    assert may_judge(LATE_SECONDS + 0.1, forbore=True)


def test_whoever_was_on_time_before_an_outage_is_not_dead_before_it_could_renew():
    """An outage as long as a lease: the first to come back gives the others a renewal's time."""
    assert HEARTBEAT_PERIOD < LATE_SECONDS < LEASE_SECONDS


async def test_others_get_a_renewals_time_from_a_worker_that_was_held_up(tmp_path):
    def another(connection):
        connection.execute(insert(WORKERS).values(worker="other", started_at=0.0, heartbeat_at=0.0))

    def known(connection):
        return set(connection.execute(select(WORKERS.c.worker)).scalars())

    async with Harness(tmp_path, specs=SPECS) as h:
        for loop in h.worker._loops:
            loop.cancel()
        await asyncio.gather(*h.worker._loops, return_exceptions=True)
        lease = Lease(h.engine)
        await lease.begin(alone=False)
        await h.database.write(another)
        lease._renewed -= LATE_SECONDS + 1.0  # as after an outage
        await lease.renew()
        assert "other" in await h.database.read(known)
        await lease.renew()
        assert await h.database.read(known) == {h.engine.worker}


async def test_only_now_and_then_or_in_doubt_it_asks_for_runs_that_nobody_knows(tmp_path):
    def put(connection):
        place = {"tenant_id": "t", "status": "held", "ready_at": 0.0, "version": 1, "epoch": 1}
        others = [
            ("mine", h.engine.worker),
            ("stray", h.engine.worker),
            ("lost", "nobody"),
            ("dead", "other"),
        ]
        rows = [{"run_id": run_id, "worker": worker, **place} for run_id, worker in others]
        connection.execute(insert(RUN_QUEUE), rows)
        connection.execute(insert(WORKERS).values(worker="other", started_at=0.0, heartbeat_at=0.0))

    async with Harness(tmp_path, specs=SPECS) as h:
        for loop in h.worker._loops:
            loop.cancel()
        await asyncio.gather(*h.worker._loops, return_exceptions=True)
        lease = Lease(h.engine)
        await lease.begin(alone=False)
        assert (await lease.renew(["mine"])).freed == 0
        await h.database.write(put)
        renewed = await lease.renew(["mine"])
        assert (set(renewed.held), renewed.freed) == ({"mine"}, 1)
        assert (await lease.renew([])).held == {}
        lease.doubt()
        renewed = await lease.renew(["mine"])
        assert (set(renewed.held), renewed.freed) == ({"mine", "stray"}, 1)
        found = [set((await lease.renew(["mine", "x", "y"])).held) for _ in range(THOROUGH_EVERY)]
        assert sorted(map(len, found)) == [1] * (THOROUGH_EVERY - 1) + [2]
        await h.change(RUN_QUEUE.delete())


async def test_what_is_taken_over_is_ready_as_of_now_however_long_the_heartbeat_took(tmp_path):
    """Claims look for what became ready lately."""

    class Slow(SystemClock):
        asked = 0

        def now(self):
            self.asked += 1
            return 100.0 * self.asked

    def put(connection):
        place = {"tenant_id": "t", "status": "held", "ready_at": 0.0, "version": 1, "epoch": 1}
        connection.execute(insert(RUN_QUEUE).values(run_id="dead", worker="other", **place))
        connection.execute(insert(WORKERS).values(worker="other", started_at=0.0, heartbeat_at=0.0))

    def ready_at(connection):
        return connection.execute(select(RUN_QUEUE.c.ready_at).where(RUN_QUEUE.c.run_id == "dead")).scalar()

    async with Harness(tmp_path, specs=SPECS) as h:
        for loop in h.worker._loops:
            loop.cancel()
        await asyncio.gather(*h.worker._loops, return_exceptions=True)
        lease = Lease(h.engine)
        await lease.begin(alone=False)
        await h.database.write(put)
        h.engine.clock = Slow()
        assert (await lease.renew([])).freed == 1
        assert await h.database.read(ready_at) == 200.0
        await h.change(RUN_QUEUE.delete())
