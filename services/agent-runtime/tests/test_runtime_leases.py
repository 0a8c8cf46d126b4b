"""Who may declare whom dead: not a worker that was late itself, but for one renewal only."""

import asyncio

from sqlalchemy import insert, select

from quarterdeck.runtime.constants import HEARTBEAT_PERIOD, LATE_SECONDS, LEASE_SECONDS
from quarterdeck.runtime.execution.leasing import Lease, may_judge
from quarterdeck.runtime.tables import WORKERS
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
