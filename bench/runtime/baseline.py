"""What this machine can do at all: a commit, and a round trip to PostgreSQL, bare and through the proxy."""

from __future__ import annotations

import statistics
import time

import asyncpg
from report import Figure

from runtime.servers import ADDED_MS

TIMES = 400


def said(name: str, unit: str, value: float) -> Figure:
    """A figure without a target."""
    return Figure(name, unit, value, None, "", None, "said", None)


async def median_ms(connection: asyncpg.Connection, statement: str) -> float:
    """Returns the median time of a statement that is prepared."""
    prepared = await connection.prepare(statement)
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await prepared.fetch()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


async def baseline(direct: str, slow: str) -> list[Figure]:
    """Measures. `direct` and `slow` are URLs of the same database."""
    near, far = await asyncpg.connect(direct), await asyncpg.connect(slow)
    try:
        await near.execute("CREATE TABLE IF NOT EXISTS baseline (id bigserial PRIMARY KEY, at float)")
        hop = await median_ms(near, "SELECT 1")
        commit = await median_ms(near, "INSERT INTO baseline (at) VALUES (1)")
        slow_hop = await median_ms(far, "SELECT 1")
    finally:
        await near.close()
        await far.close()
    return [
        said("machine: a bare round trip to PostgreSQL", "ms", hop),
        said("machine: a commit of one row", "ms", commit),
        said(f"machine: the round trip through the proxy of {ADDED_MS:g} ms", "ms", slow_hop),
    ]
