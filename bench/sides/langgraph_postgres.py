"""The peer: runs of five no-op tool steps in LangGraph on its PostgreSQL checkpointer.

Runs in the environment .venv-bench, driven as `answers.py` says. `durability="sync"` makes LangGraph commit
a step's outcome before the next one begins. A saver lets one of its users in at a time, so there are
several, each with a connection of its own as LangGraph's documentation sets it up.

    python bench/sides/langgraph_postgres.py sync|async POSTGRES_URL
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from answers import serve
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph_graph import async_step, compiled, run_tasks, run_threads, step
from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row

SAVERS = 32


def serve_sync(url: str) -> None:
    """Serves measurements with synchronous savers; concurrency is threads."""
    opened = [
        Connection.connect(url, autocommit=True, prepare_threshold=0, row_factory=dict_row)
        for _ in range(SAVERS)
    ]
    savers = [PostgresSaver(connection) for connection in opened]
    savers[0].setup()
    graphs = [compiled(step, saver) for saver in savers]
    serve(lambda concurrency, runs: run_threads(graphs, concurrency, runs))
    for connection in opened:
        connection.close()


async def open_async(url: str) -> list[Any]:
    """Returns graphs with a saver each."""
    savers = [
        AsyncPostgresSaver(
            await AsyncConnection.connect(url, autocommit=True, prepare_threshold=0, row_factory=dict_row)
        )
        for _ in range(SAVERS)
    ]
    await savers[0].setup()
    return [compiled(async_step, saver) for saver in savers]


def serve_async(url: str) -> None:
    """Serves measurements with asynchronous savers; concurrency is tasks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        graphs = runner.run(open_async(url))
        serve(lambda concurrency, runs: runner.run(run_tasks(graphs, concurrency, runs)))
        for graph in graphs:
            runner.run(graph.checkpointer.conn.close())


if __name__ == "__main__":
    mode, address = sys.argv[1:]
    {"sync": serve_sync, "async": serve_async}[mode](address)
