"""Claiming is fair between tenants, by their weights, and costs the same however many runs there are."""

import asyncio

import pytest
from sqlalchemy import insert, text

from quarterdeck.common.database import open_database
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.claims.ring import Reply, Ring, Sighting, Strand
from quarterdeck.runtime.claims.shares import Share, TenantShares, share_in
from quarterdeck.runtime.claims.slots import Slots
from quarterdeck.runtime.store import claiming, strands
from quarterdeck.runtime.tables import METADATA, RUN_QUEUE
from quarterdeck.runtime.testing.claiming import claim_once

ROW = {"status": "ready", "ready_at": 0.0, "version": 1}
CROWD = """INSERT INTO run_queue (run_id, tenant_id, status, ready_at, priority, worker, epoch, attempts, seq,
        inbox, version)
    SELECT 'r' || lpad(n::text, 8, '0'), CASE WHEN n % 10 = 0 THEN 't' || n % 1000 ELSE 'crowd' END,
        CASE WHEN n % 3 = 0 THEN 'parked' ELSE 'ready' END, n, 0, '', 0, 0, 0, 0, 1
    FROM generate_series(1, 40000) AS n"""


def ring_of(shares, *tenants, priority=0):
    ring = Ring(lambda tenant: shares.get(tenant, Share()), Slots())
    ring.see(Sighting(Strand(tenant, "", priority), 0.0) for tenant in tenants)
    return ring


def had(ring, turns, room=1):
    """Returns whose runs were claimed, one claim after the other, from strands that never end."""
    names = []
    for _ in range(turns):
        asks = ring.choose(room, 0.0)
        names += [ask.strand.tenant_id for ask in asks for _ in range(ask.wanted)]
        ring.settle(asks, {ask.strand: Reply(ask.wanted, ask.wanted, 0.0) for ask in asks})
    return names


# -- whose turn it is ---------------------------------------------------------------------------


def test_tenants_take_turns():
    assert had(ring_of({}, *"abc"), 7) == list("abcabca")
    assert sorted(had(ring_of({}, *"abcdefgh"), 1, room=4)) == list("abcd")


@pytest.mark.parametrize("room", [1, 5, 32])
def test_weights_are_shares(room):
    names = had(ring_of({"a": Share(weight=3), "b": Share(weight=100)}, *"abc"), 1040 // room, room)
    counts = {tenant: names.count(tenant) / len(names) for tenant in "abc"}
    assert counts == pytest.approx({"a": 3 / 104, "b": 100 / 104, "c": 1 / 104}, abs=0.02)


def test_a_higher_priority_goes_earlier_in_each_round_and_gets_no_more():
    shares = {"z": Share(priority=10), "y": Share(priority=5, weight=2), "a": Share(priority=-1)}
    assert had(ring_of(shares, *"abyz"), 15) == list("zyybazyybazyyba")


def test_who_comes_later_neither_catches_up_nor_waits():
    ring = ring_of({}, "a")
    had(ring, 50)
    ring.see([Sighting(Strand("b", "", 0), 0.0)])
    names = had(ring, 20)
    assert names.count("b") == 10 and "b" in names[:2]


def test_turns_without_a_run_are_given_back():
    ring = ring_of({}, *"ab")
    for _ in range(20):  # a's run is always the only one, b has many
        asks = ring.choose(16, 0.0)
        replies = {ask.strand: Reply(ask.wanted, ask.wanted, 0.0) for ask in asks}
        replies[Strand("a", "", 0)] = Reply(1, 1, 0.0)
        ring.settle(asks, replies)
        ring.see([Sighting(Strand("a", "", 0), 0.0)])
    assert "a" in had(ring, 2)


def test_within_a_tenant_the_most_urgent_strand_goes_first():
    ring = ring_of({}, "a")
    ring.see([Sighting(Strand("a", "", 7), 5.0), Sighting(Strand("a", "", -3), 0.0)])
    (ask,) = ring.choose(4, 0.0)
    assert (ask.strand.priority, ask.since, ask.wanted) == (7, 5.0, 4)
    ring.settle([ask], {ask.strand: Reply(1, 1, 5.0)})
    assert [ask.strand.priority for ask in ring.choose(1, 0.0)] == [0]


def test_what_is_used_up_or_locked_is_left():
    ring = ring_of({}, *"ab")
    asks = ring.choose(8, 0.0)
    ring.settle(asks, {Strand("a", "", 0): Reply(1, 1, 0.0), Strand("b", "", 0): Reply(0, 2, 3.0)})
    assert ring.is_contended and ring.choose(8, 0.0) == []
    ring.stir(0.1)
    assert [(ask.strand.tenant_id, ask.since) for ask in ring.choose(8, 0.0)] == [("b", 3.0)]


def test_a_claim_that_fails_changes_nothing():
    ring = ring_of({}, *"ab")
    first = ring.choose(3, 0.0)
    ring.settle(first, {})
    assert ring.choose(3, 0.0) == first


def test_a_share_is_read_from_a_tenants_spec():
    spec = {"weight": 4, "priority": -2, "quota": {"runningRuns": 7}}
    assert share_in(spec) == Share(4, -2, 7)
    assert share_in({"quota": {}}) == share_in({}) == Share(1, 0, 0)


def test_shares_follow_the_tenants():
    def tenant(spec, **status):
        return Watched("", "", "Tenant", "acme", "1", {"spec": spec, "status": status})

    shares = TenantShares()
    shares.on_object(tenant({"weight": 4}), False)  # not accepted yet: it has no id
    assert shares.of("id-1") == Share()
    shares.on_object(tenant({"weight": 4, "quota": {"runningRuns": 2}}, id="id-1"), False)
    assert shares.of("id-1") == Share(weight=4, running=2) and shares.of("id-2") == Share()
    shares.on_object(tenant({}, id="id-1"), False)
    assert shares.of("id-1") == Share()
    shares.on_object(tenant({"priority": 3}, id="id-1"), False)
    shares.on_object(tenant({"priority": 3}, id="id-1"), True)
    assert shares.of("id-1") == Share()


# -- on both databases --------------------------------------------------------------------------


@pytest.fixture
async def database(database_url):
    database = await open_database(database_url, METADATA, "quarterdeck.runtime.migrations")
    yield database
    await database.close()


def put(connection, tenant, count, **more):
    rows = [{"run_id": f"{tenant}-{n:06}", "tenant_id": tenant, **ROW, **more} for n in range(count)]
    connection.execute(insert(RUN_QUEUE), rows)


async def claimed(database, limit):
    haul = await database.write(claim_once, "w", limit, 10.0)
    return [run.tenant_id for run in haul.claims]


async def test_a_tenant_does_not_wait_behind_anothers_crowd(database):
    await database.write(put, "crowd", 500)
    for tenant in ("b", "d"):
        await database.write(put, tenant, 3, ready_at=5.0)
    assert sorted(await claimed(database, 9)) == [*"bbb", *["crowd"] * 3, *"ddd"]
    assert await claimed(database, 8) == ["crowd"] * 8


async def test_within_a_tenant_the_oldest_of_the_most_urgent_goes_first(database):
    await database.write(put, "a", 1, priority=1, ready_at=3.0)
    await database.write(put, "b", 1, priority=1, ready_at=99.0)
    row = {"tenant_id": "a", **ROW}
    more = [
        {"run_id": "late", **row, "priority": 2, "ready_at": 4.0},
        {"run_id": "low", **row, "priority": 0},
    ]
    await database.write(lambda connection: connection.execute(insert(RUN_QUEUE), more).rowcount)
    haul = await database.write(claim_once, "w", 3, 10.0)
    assert [run.run_id for run in haul.claims] == ["late", "a-000000", "low"]


async def test_two_workers_never_claim_the_same(database):
    for tenant in "abcdefgh":
        await database.write(put, tenant, 40)
    workers = [database.write(claim_once, f"w{n}", 16, 10.0) for n in range(20)]
    runs = [run.run_id for haul in await asyncio.gather(*workers) for run in haul.claims]
    while more := (await database.write(claim_once, "last", 320, 10.0)).claims:
        runs += [run.run_id for run in more]
    assert len(runs) == len(set(runs)) == 320


async def test_looking_finds_every_strand_page_by_page(database):
    rows = [
        {"run_id": f"{n:06}", **ROW, "tenant_id": f"t{n % 350:03}", "priority": n % 2, "ready_at": n // 700}
        for n in range(1400)
    ]
    await database.write(lambda connection: connection.execute(insert(RUN_QUEUE), rows).rowcount)
    found, place = set(), (-1.0, "", "", 0)
    for _ in range(9):
        if place is None:
            break
        sight = await database.read(strands.look, place, None, 10.0)
        found |= {(*sighting.strand, sighting.since) for sighting in sight.found}
        place = sight.last
    assert place is None and len(found) == 700
    patrolled, strand = [], Strand("", "", strands.LEAST_PRIORITY)
    while strand is not None:
        sight = await database.read(strands.look, (10.0, "", "", 0), strand, 10.0)
        patrolled += [sighting.strand for sighting in sight.found]
        strand = sight.patrolled
    assert len(patrolled) == len(set(patrolled)) == 350


async def test_no_claim_scans_the_queue(postgres_database):
    """The plans of everything that a claim asks, on a server with a crowd: only indexes, nothing sorted."""
    url = f"{postgres_database}?schema=agent_runtime"
    database = await open_database(url, METADATA, "quarterdeck.runtime.migrations")
    await database.write(lambda connection: connection.execute(text(CROWD)).rowcount)
    await database.write(lambda connection: connection.execute(text("ANALYZE run_queue")) and None)
    plans = await database.write(explained, claim)
    await database.close()
    assert len(plans) >= 7
    for statement, plan in plans:
        assert "Index" in plan and "Seq Scan" not in plan, statement
        # One look sorts what it has read: at most a page.
        assert '"Sort"' not in plan or "GROUP BY" in statement, statement


def claim(connection):
    """What a worker asks the database when it looks, claims, and looks for suspects."""
    sight = strands.look(connection, (1.0, "", "", 0), Strand("", "", 0), 1e9)
    ring = Ring(lambda _tenant: Share(), Slots())
    ring.see(sight.found)
    claiming.take_suspects(connection, "w", lambda *_: {}, 32, 1e9, idle=True)
    taken = claiming.take(connection, "w", ring.choose(32, 1e9), {}, 1e9)
    assert len(taken.claims) == 32


def explained(connection, work):
    """Returns (statement, plan) of everything that `work` asks of the queue."""
    asked = []
    cursor = type(connection.connection.cursor())
    execute, many = cursor.execute, cursor.executemany

    def record(self, statement, parameters=()):
        asked.append((statement, parameters))
        return execute(self, statement, parameters)

    def record_many(self, statement, rows):
        asked.append((statement, rows[0]))
        return many(self, statement, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursor, "execute", record)
        patch.setattr(cursor, "executemany", record_many)
        work(connection)
    plans = []
    connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
    for statement, parameters in asked:
        if "run_queue" in statement:
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            plans.append((statement, str(cursor.fetchall()[0][0])))
    return plans
