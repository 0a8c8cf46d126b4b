"""Runs that a newer release has advanced: left alone, told of, and nobody spins because of them."""

import asyncio

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from quarterdeck.common import codec
from quarterdeck.common.database import across_tenants
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.constants import READABLE_VERSION, REDUCER_VERSION
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.newer import PATIENCE, NewerRuns
from quarterdeck.runtime.reducer import UnknownEvent, fold
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE
from quarterdeck.runtime.testing.harness import Harness

WAITS = {"nodes": [{"name": "w", "wait": {"signal": {"name": "go"}}}]}
SPECS = {"Workflow/waits": WAITS}


async def parked(h):
    run = await h.start("Workflow", "waits")
    await h.wait(run, "waiting")
    return run


def in_queue(run):
    def read(connection):
        found = connection.execute(select(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run)).one()
        return found.status, found.version, found.attempts

    return read


def change(run, **values):
    def write(connection):
        connection.execute(update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run).values(**values))

    return write


async def test_an_event_of_a_newer_release_leaves_the_run_to_its_workers(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        run = await parked(h)

        def foreign(connection):
            across_tenants(connection)
            query = select(JOURNAL.c.seq, JOURNAL.c.type).where(JOURNAL.c.run_id == run)
            last = connection.execute(query.order_by(JOURNAL.c.seq.desc()).limit(1)).one()
            mine = (JOURNAL.c.run_id == run) & (JOURNAL.c.seq == last.seq)
            types = [*last.type.split(",")[:-1], "run.teleported"]
            connection.execute(update(JOURNAL).where(mine).values(type=",".join(types)))

        async def given_back():
            return (await h.database.read(in_queue(run)))[1] > READABLE_VERSION

        await h.database.write(foreign)
        h.engine.take_state(run, 0)  # as in another process
        with capture_logs() as logs:
            await h.database.write(change(run, status="ready", ready_at=0.0))
            await h.worker.wake([run], {})
            await h.until(given_back)
            await asyncio.sleep(0.3)
        assert await h.database.read(in_queue(run)) == ("ready", READABLE_VERSION + 1, 0)
        assert [line["event"] for line in logs].count("run.of_a_newer_release") == 1
        reason = (await h.row(run)).reason
        assert reason.startswith("waits for a worker of a newer release: run.teleported")


async def test_a_run_of_a_newer_release_is_told_of_until_it_is_gone_and_makes_nobody_spin(tmp_path):
    claims = 0

    def counted(*args, **kw):
        nonlocal claims
        claims += 1
        return claim(*args, **kw)

    async with Harness(tmp_path, specs=SPECS) as h:
        run, claim = await parked(h), h.worker._claimer.claim
        newer = NewerRuns(h.database, h.clock)
        await newer.check()
        since = h.clock.now() - PATIENCE - 1
        await h.database.write(change(run, status="ready", ready_at=since, version=READABLE_VERSION + 1))
        with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
            patch.setattr(h.worker._claimer, "claim", counted)
            await h.worker.wake([run], {})
            for _ in range(3):
                with pytest.raises(Unavailable, match=f"run {run}, .* newer release"):
                    await newer.check()
            await asyncio.sleep(0.5)
            assert claims <= 3
            await h.database.write(change(run, status="parked"))
            await newer.check()
        told = [line["event"] for line in logs if line["event"].startswith("runs.")]
        assert told == ["runs.trouble", "runs.recovered"]


async def test_a_release_that_does_not_know_rows_of_several_events_leaves_them_to_this_one(tmp_path):
    """Such a release takes the row for one event: it must get as far as not knowing its type."""
    async with Harness(tmp_path, specs=SPECS) as h:
        run = await parked(h)

        def stored(connection):
            across_tenants(connection)
            query = select(JOURNAL.c.type, JOURNAL.c.data, JOURNAL.c.at).where(JOURNAL.c.run_id == run)
            return connection.execute(query.order_by(JOURNAL.c.seq)).all()

        (row,) = await h.database.read(stored)
        with pytest.raises(UnknownEvent, match=r"run\.started,"):
            fold(run, [Event(row.type, codec.loads(row.data), row.at)])
        await h.database.write(change(run, version=REDUCER_VERSION + 1))  # what that release does then
        await h.signal(run, "go")
        await h.wait(run)
