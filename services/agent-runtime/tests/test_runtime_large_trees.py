"""Trees of many runs: no list of their ids travels to the database, which takes some ten thousand at most."""

import time

from sqlalchemy import insert, text

from quarterdeck.common.database import within
from quarterdeck.runtime.operations.effects_view import list_effects
from quarterdeck.runtime.operations.terminating import PAGE, terminate
from quarterdeck.runtime.store import family, runs, trees
from quarterdeck.runtime.tables import JOURNAL, RUNS
from quarterdeck.runtime.testing.harness import TENANT, Harness

ITEMS = 40_000
SPECS = {
    "Workflow/top": {"nodes": [{"name": "sub", "workflow": {"name": "middle", "input": {}}}]},
    "Workflow/middle": {"nodes": [{"name": "wait", "wait": {"signal": {"name": "go"}}}]},
}
_BELOW = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last})
INSERT INTO {runs} ({columns}) SELECT {values} FROM {runs}, n WHERE run_id = :middle
"""
_INTENT = b'{"effect":"e1","step":"s","kind":"tool","target":{"server":"s","tool":"t"},"attempt":1}'


def child(number):
    return f"00000000-0000-7000-8000-{100_000_000_000 + number}"


def grow(connection, middle):
    """Gives a run many children, each a copy of itself, and one of these a child of its own."""
    within(connection, TENANT.id)
    names = [column.name for column in RUNS.c]
    place = {
        "run_id": "'00000000-0000-7000-8000-' || CAST(100000000000 + n.i AS VARCHAR)",
        "parent_run_id": ":parent",
        "idempotency_key": "NULL",
    }
    values = ", ".join(place.get(name, name) for name in names)
    table = connection.dialect.identifier_preparer.format_table(RUNS)
    statement = _BELOW.format(last=ITEMS - 1, runs=table, columns=", ".join(names), values=values)
    connection.execute(text(statement), {"middle": middle, "parent": middle})
    last = {name: getattr(runs.get_run(connection, TENANT.id, child(7)), name) for name in names}
    connection.execute(insert(RUNS), [{**last, "run_id": child(ITEMS), "parent_run_id": child(7)}])
    told = {"seq": 1, "tenant_id": TENANT.id, "type": "effect.intent", "data": _INTENT, "at": 0.0}
    connection.execute(insert(JOURNAL), [{"run_id": child(n), **told} for n in (ITEMS, 3)])


def explained(connection, middle):
    """Returns how the database finds what is below a run, when reading all runs is out of the question."""
    within(connection, TENANT.id)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    query = str(
        trees.tree_of(TENANT.id, middle).select().compile(connection, compile_kwargs={"literal_binds": True})
    )
    prefix = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row) for row in connection.execute(text(f"{prefix} {query}")))


async def test_a_tree_of_many_runs_is_looked_through(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        root = await h.start("Workflow", "top", {})
        (middle,) = await h.until(lambda: h.database.read(trees.descendants, TENANT.id, root))
        await h.wait(middle, "waiting")
        await h.database.write(grow, middle)
        began = time.perf_counter()
        everything = [*map(child, range(ITEMS)), child(ITEMS)]
        assert await h.database.read(trees.descendants, TENANT.id, root) == [middle, *everything]
        row = await h.row(middle)
        assert await h.database.read(family.open_below, row, 3) == everything[:3]
        assert not await h.database.read(runs.at_work, TENANT.id, row)
        found = await h.database.read(list_effects, TENANT.id, root, include_children=True)
        assert [effect.run_id for effect in found] == [child(3), child(ITEMS)]
        assert await h.database.read(list_effects, TENANT.id, root, include_children=False) == []
        ended = await h.database.write(terminate, TENANT, middle, "enough", "me", 1.0)
        assert ended.more and len(ended.ended) <= PAGE + 1
        assert time.perf_counter() - began < 20.0
        plan = await h.database.write(explained, child(7))
        assert "runs_by_parent" in plan, plan
