"""What a step costs PostgreSQL: bytes of its log, and bytes its tables grow by."""

from __future__ import annotations

import asyncio

import asyncpg
from report import Figure

from runtime.entrants import BARE, DBOS, LANGGRAPH, OURS, STEPS, field_of
from runtime.servers import Servers
from runtime.turns import Entrant

RUNS, AT_ONCE = 500, 16


def written(servers: Servers) -> list[Figure]:
    """Measures each side alone, after a checkpoint and a warm-up: nobody else writes meanwhile."""
    with field_of(servers, "written") as field:
        field.add_ours()
        field.add_bare()
        field.add_dbos()
        field.add_langgraph()
        names = {OURS: "written_ours", DBOS[0]: "written_dbos_sync", LANGGRAPH[0]: "written_langgraph_sync"}
        names[BARE] = "written_bare"
        measured = {name: _of(servers, field.sides[name], names[name]) for name in names}
    ours = measured[OURS]
    figures = []
    for place, unit in enumerate(("log", "tables and indexes")):
        for peer, least in ((DBOS[0], True), (LANGGRAPH[0], None), (BARE, None)):
            theirs = measured[peer][place]
            target, met = ("< 1x", ours[place] < theirs) if least and place == 0 else ("said", None)
            name = f"bytes written per step, {unit}"
            figures.append(
                Figure(name, "bytes", ours[place], theirs, peer, ours[place] / theirs, target, met)
            )
    return figures


def _of(servers: Servers, entrant: Entrant, database: str) -> tuple[float, float]:
    """Returns the bytes a step adds to the log, and to the database's files."""
    entrant.side.rate(AT_ONCE, RUNS)
    asyncio.run(_execute(servers, "CHECKPOINT"))
    entrant.side.rate(AT_ONCE, RUNS)
    size = f"SELECT pg_current_wal_insert_lsn() - '0/0', pg_database_size('{database}')"
    log_before, files_before = asyncio.run(_execute(servers, size))
    entrant.side.rate(AT_ONCE, RUNS)
    log_after, files_after = asyncio.run(_execute(servers, size))
    steps = RUNS * STEPS
    return float(log_after - log_before) / steps, float(files_after - files_before) / steps


async def _execute(servers: Servers, statement: str) -> asyncpg.Record | tuple[int, int]:
    connection = await asyncpg.connect(servers.admin())
    try:
        return await connection.fetchrow(statement) or (0, 0)
    finally:
        await connection.close()
