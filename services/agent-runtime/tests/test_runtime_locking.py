"""Transactions lock in one order, so that PostgreSQL never has to break a deadlock between them."""

import asyncio
import contextlib

import asyncpg
import pytest
from sqlalchemy import insert

from quarterdeck.common.database import LAST, open_database, within
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.approvals.deciding import Vote, decide
from quarterdeck.runtime.execution.appending import place_of
from quarterdeck.runtime.execution.timers import fire_due
from quarterdeck.runtime.store.commits import Commit, Fate, commit
from quarterdeck.runtime.store.inbox import Delivery
from quarterdeck.runtime.tables import APPROVALS, METADATA, RUN_QUEUE, RUNS, TIMERS

PLACE = "SELECT run_id FROM agent_runtime.run_queue WHERE run_id = $1 FOR UPDATE"
APPROVAL = "SELECT approval_id FROM agent_runtime.approvals WHERE approval_id = $1 FOR UPDATE"
GATE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
NOW = 9.0
PARENT, CHILD = "a-parent", "b-child"
TENANT = TenantId(name="default", id="t")


@pytest.fixture
async def database(postgres_database):
    url = f"{postgres_database}?schema=agent_runtime"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    await database.write(put)
    yield database
    await database.close()


def put(connection):
    """A run and its child, each held by a worker, with a timer each and an approval."""
    within(connection, "t")
    row = {"tenant_id": "t", "tenant": "default", "kind": "Workflow", "name": "w", "revision": "r"}
    row |= {"closure": "c", "state": "running", "root_run_id": PARENT, "created_at": 0.0}
    row |= dict.fromkeys(("labels", "input", "principal", "budget"), b"{}")
    parents = {PARENT: "", CHILD: PARENT}
    places = {"tenant_id": "t", "status": "held", "worker": "w", "ready_at": 0.0, "version": 1, "epoch": 1}
    for run_id, parent in parents.items():
        connection.execute(insert(RUNS).values(run_id=run_id, parent_run_id=parent, **row))
        connection.execute(insert(RUN_QUEUE).values(run_id=run_id, **places))
        connection.execute(insert(TIMERS).values(run_id=run_id, timer="wait:x", tenant_id="t", due=1.0))
    question = {"approval_id": "q", "tenant_id": "t", "tenant": "default", "run_id": PARENT, "data": b"{}"}
    question |= {"root_run_id": PARENT, "node": "n", "source": "node", "title": "?", "summary": ""}
    question |= {"data_hash": "", "policy": "p", "editable": False, "state": "open", "created_at": 0.0}
    connection.execute(insert(APPROVALS).values(**question))


def append(run_id, **what):
    return Commit(run_id, "t", "w", 1, 0, **what)


@contextlib.asynccontextmanager
async def held(url, query, key):
    """Somebody's transaction has a row locked."""
    somebody = await asyncpg.connect(url)
    async with somebody.transaction():
        assert await somebody.fetchval(query, key) == key
        yield
    await somebody.close()


async def is_free(url, query, key):
    with contextlib.suppress(asyncpg.LockNotAvailableError):
        async with held(url, f"{query} NOWAIT", key):
            return True
    return False


async def waits(task):
    await asyncio.wait([task], timeout=0.3)
    return not task.done()


async def test_a_timer_whose_run_is_locked_is_left_for_the_next_look(database, postgres_database):
    async with held(postgres_database, PLACE, CHILD):
        fired, _, poke = await asyncio.wait_for(database.write(fire_due, 0.0, NOW, 10), 5)
        assert (fired, set(poke)) == (1, {PARENT})
        assert (await asyncio.wait_for(database.write(fire_due, 0.0, NOW, 10), 5))[0] == 0
    assert await database.write(fire_due, 0.0, NOW, 10) == (1, [], {CHILD: "w"})


async def test_who_tells_children_something_locks_them_first(database, postgres_database):
    for what in ({"cancel_children": "why"}, {"steer_children": "pause"}, {"cancelled": [CHILD]}):
        async with held(postgres_database, PLACE, CHILD):
            told = asyncio.create_task(database.write(commit, append(PARENT, **what), NOW))
            assert await waits(told)
            assert await is_free(postgres_database, PLACE, PARENT)
        assert (await told).fate is Fate.DONE


async def test_a_child_that_ends_while_its_parent_cancels_it(database):
    """Many at once, in both directions: nobody is the victim of a deadlock."""

    def ends(connection):
        told = [Delivery(PARENT, "t", "child", {"child": CHILD})]
        return commit(connection, append(CHILD, deliveries=told), NOW)

    def cancels(connection):
        return commit(connection, append(PARENT, cancel_children="why"), NOW)

    for _ in range(10):
        done = await asyncio.gather(*(database.write(each) for each in (ends, cancels, ends, cancels)))
        assert {one.fate for one in done} == {Fate.DONE}


def test_appends_that_share_a_transaction_go_in_the_order_of_the_runs_that_they_wait_for():
    told = [Delivery(run_id, "t", "child", {}) for run_id in ("z", "p")]
    assert place_of(append(CHILD, deliveries=told)) == "p"
    assert place_of(append(CHILD)) == CHILD < LAST


async def test_who_decides_locks_the_run_before_the_approval(database, postgres_database):
    def say(connection):
        return decide(connection, TENANT, Vote("q", True, "somebody"), NOW, [], {})

    async with held(postgres_database, PLACE, PARENT):
        decided = asyncio.create_task(database.write(say))
        assert await waits(decided)
        assert await is_free(postgres_database, APPROVAL, "q")
    assert (await decided).state == "approved"


async def test_a_run_that_ends_locks_its_gate_before_its_place(database, postgres_database):
    over = append(PARENT, finished=True, gate="t/key/k")
    waiting = database.write(commit, over, NOW)
    somebody = await asyncpg.connect(postgres_database)
    async with somebody.transaction():
        await somebody.execute(GATE, "t/key/k")
        ending = asyncio.create_task(waiting)
        assert await waits(ending)
        assert await is_free(postgres_database, PLACE, PARENT)
    await somebody.close()
    assert (await ending).fate is Fate.DONE
