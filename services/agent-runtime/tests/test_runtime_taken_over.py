"""Runs that were taken over from a dead worker go first, within their tenant and priority."""

import asyncio

import pytest
from sqlalchemy import insert, select, update

from quarterdeck.runtime.claims.precedence import AHEAD, is_ahead, usual
from quarterdeck.runtime.claims.ring import Reply, Ring, Sighting, Strand
from quarterdeck.runtime.claims.shares import Share, usual_share
from quarterdeck.runtime.claims.slots import Slots
from quarterdeck.runtime.constants import KEPT_FOR_CLAIMS, LEASE_SECONDS, MAX_DEPTH, PRIORITY_STEP
from quarterdeck.runtime.store import queue, strands
from quarterdeck.runtime.store.places import PUT_AHEAD, PUT_BACK
from quarterdeck.runtime.tables import RUN_QUEUE, WORKERS
from quarterdeck.runtime.testing.claiming import claim_once
from quarterdeck.runtime.testing.harness import Harness

SPECS = {"Workflow/one": {"nodes": [{"name": "t", "transform": {"output": 1}}]}}
PLACES = [wish * PRIORITY_STEP - depth for wish in (-100, -1, 0, 1, 100) for depth in range(MAX_DEPTH + 1)]
NOW = 1000.0


class Still:
    """A platform whose worker does nothing by itself."""

    def __init__(self, folder):
        self.harness = Harness(folder, specs=SPECS)

    async def __aenter__(self):
        h = await self.harness.__aenter__()
        for loop in h.worker._loops:
            loop.cancel()
        await asyncio.gather(*h.worker._loops, return_exceptions=True)
        return h

    async def __aexit__(self, *error):
        await self.harness.change(RUN_QUEUE.delete())
        await self.harness.__aexit__(*error)


def put(connection, *names, tenant="t", **values):
    row = {"tenant_id": tenant, "status": "ready", "ready_at": 0.0, "version": 1, **values}
    connection.execute(insert(RUN_QUEUE), [{"run_id": name, **row} for name in names])


def die(connection, *names, **values):
    """Puts runs there that a dead worker held, and takes them over."""
    put(connection, *names, **{"status": "held", "worker": "dead", "epoch": 1, **values})
    connection.execute(insert(WORKERS).values(worker="dead", started_at=0.0, heartbeat_at=0.0))
    return queue.take_over(connection, NOW, LEASE_SECONDS, strays=False)


def place(connection, run_id):
    return connection.execute(select(RUN_QUEUE.c.priority).where(RUN_QUEUE.c.run_id == run_id)).scalar()


def claimed(connection, limit, **more):
    return [claim.run_id for claim in claim_once(connection, "w", limit, NOW, **more).claims]


@pytest.mark.parametrize("wish", [-100, -1, 0, 1, 100])
def test_a_run_that_waits_ahead_is_between_its_priority_and_the_next(wish):
    mine = [wish * PRIORITY_STEP - depth for depth in range(MAX_DEPTH + 1)]
    higher = (wish + 1) * PRIORITY_STEP - MAX_DEPTH
    assert all(wish * PRIORITY_STEP < one + AHEAD < higher for one in mine)
    assert not any(map(is_ahead, mine)) and all(is_ahead(one + AHEAD) for one in mine)
    assert [usual(one + AHEAD) for one in mine] == mine == [usual(one) for one in mine]


async def test_the_database_reckons_the_same(tmp_path):
    def reckon(connection):
        for number, one in enumerate(PLACES):
            put(connection, f"{number:04}", priority=one)
        found = []
        for change in (PUT_AHEAD, PUT_AHEAD, PUT_BACK, PUT_BACK):
            connection.execute(update(RUN_QUEUE).values(priority=change))
            rows = connection.execute(select(RUN_QUEUE.c.priority).order_by(RUN_QUEUE.c.run_id))
            found.append(list(rows.scalars()))
        return found

    async with Still(tmp_path) as h:
        first, again, back, still = await h.database.write(reckon)
        assert first == again == [one + AHEAD for one in PLACES]
        assert back == still == PLACES


async def test_what_a_dead_worker_held_goes_before_what_was_ready_for_longer(tmp_path):
    async with Still(tmp_path) as h:
        await h.database.write(put, "old", "older", priority=0)
        await h.database.write(put, "urgent", priority=PRIORITY_STEP)
        assert await h.database.write(die, "root", priority=0) == 1
        assert await h.database.write(die, "child", priority=-1) == 1
        assert await h.database.write(claimed, 3) == ["urgent", "root", "child"]
        assert [await h.database.read(place, name) for name in ("root", "child")] == [0, -1]


async def test_it_goes_first_once_for_each_death(tmp_path):
    def wait(connection):
        connection.execute(update(RUN_QUEUE).values(status="ready", attempts=0, ready_at=NOW))

    async with Still(tmp_path) as h:
        await h.database.write(die, "mine")
        await h.database.write(claimed, 1)
        await h.database.write(wait)
        await h.database.write(put, "old")
        assert await h.database.write(claimed, 2) == ["old", "mine"]


async def test_other_tenants_have_their_turns_meanwhile(tmp_path):
    async with Still(tmp_path) as h:
        await h.database.write(put, "b1", "b2", tenant="b")
        await h.database.write(die, "a1", "a2", "a3", tenant="a")
        assert sorted(name[0] for name in await h.database.write(claimed, 4)) == ["a", "a", "b", "b"]


async def test_a_look_finds_it_among_what_has_come(tmp_path):
    async with Still(tmp_path) as h:
        await h.database.write(die, "mine", priority=7 * PRIORITY_STEP)
        sight = await h.database.read(strands.look, (NOW - 1.0, "", "", 0), None, NOW)
        assert [one.strand.priority for one in sight.found] == [7 * PRIORITY_STEP + AHEAD]


async def test_a_suspect_that_is_taken_is_back_in_its_place(tmp_path):
    async with Still(tmp_path) as h:
        await h.database.write(die, "mine", priority=-3, attempts=2)
        assert await h.database.read(place, "mine") == AHEAD - 3
        assert await h.database.write(claimed, 1) == ["mine"]
        assert await h.database.read(place, "mine") == -3


def test_a_ring_knows_that_such_runs_wait_as_long_as_they_could_be_had():
    ring = Ring(usual_share, Slots())
    ahead = Strand("t", "", AHEAD)
    ring.see([Sighting(Strand("t", "", 0), 0.0)])
    assert not ring.has_taken_over
    ring.see([Sighting(ahead, 5.0)])
    assert ring.has_taken_over
    asks = ring.choose(8, 10.0)
    assert [ask.strand for ask in asks] == [ahead]
    ring.settle(asks, {ahead: Reply(2, 2, 5.0)})
    assert not ring.has_taken_over


def test_it_is_not_had_while_its_tenant_has_enough():
    slots = Slots()
    ring = Ring(lambda _: Share(running=1), slots)
    slots.take("t", "")
    ring.see([Sighting(Strand("t", "", AHEAD), 0.0)])
    assert ring.choose(1, 0.0) == [] and not ring.has_taken_over


async def test_while_they_wait_nothing_begins_that_was_not_claimed(tmp_path):
    async with Still(tmp_path) as h:
        claimer = h.worker._claimer
        await h.database.write(die, "mine")
        assert claimer.may_begin("t", 0)
        claimer._ring.see((await h.database.read(strands.look, (0.0, "", "", 0), None, NOW)).found)
        assert not claimer.may_begin("t", 0) and not claimer.may_begin("other", 0)


async def test_a_worker_keeps_places_that_only_claims_fill(tmp_path):
    shut = asyncio.Event()

    async def slow(_arguments):
        await shut.wait()

    step = {"name": "a", "tool": {"server": "s", "name": "slow", "arguments": {}}}
    specs = {"Workflow/w": {"nodes": [step]}}
    async with Harness(tmp_path, specs=specs, tools={"s/slow": slow}, concurrency=KEPT_FOR_CLAIMS) as h:
        begun = []
        begin = h.worker.begin

        async def noted(wish, row):
            accepted = await begin(wish, row)
            begun.append(accepted is not None)
            return accepted

        async def filled():
            return len(h.worker._runs) == KEPT_FOR_CLAIMS

        runs = [await h.start("Workflow", "w") for _ in range(KEPT_FOR_CLAIMS - 1)]
        h.worker.begin = noted
        await h.start("Workflow", "w")
        await h.until(filled)
        assert begun == [False]
        shut.set()
        assert [await h.output(run) for run in runs] == [None] * len(runs)
