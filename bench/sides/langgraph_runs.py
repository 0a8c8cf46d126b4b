"""The peer: runs of five no-op tool steps in LangGraph on its SQLite checkpointer.

Runs in the environment .venv-bench, driven as `answers.py` says. `durability="sync"` makes LangGraph commit
a step's outcome before the next one begins.

    python bench/sides/langgraph_runs.py sync|async DIRECTORY
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

import aiosqlite
import uvloop
from answers import serve
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph_graph import async_step, compiled, run_tasks, run_threads, step


def serve_sync(path: Path) -> None:
    """Serves measurements with the synchronous saver; concurrency is threads."""
    connection = sqlite3.connect(path, check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    connection.execute("PRAGMA synchronous=FULL")
    graph = compiled(step, saver)
    serve(lambda concurrency, runs: run_threads([graph], concurrency, runs))


async def open_async(path: Path) -> Any:
    """Returns the graph with the asynchronous saver."""
    saver = AsyncSqliteSaver(await aiosqlite.connect(path))
    await saver.setup()
    await saver.conn.execute("PRAGMA synchronous=FULL")
    return compiled(async_step, saver)


def serve_async(path: Path) -> None:
    """Serves measurements with the asynchronous saver; concurrency is tasks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        graph = runner.run(open_async(path))
        serve(lambda concurrency, runs: runner.run(run_tasks([graph], concurrency, runs)))
        runner.run(graph.checkpointer.conn.close())


if __name__ == "__main__":
    mode, directory = sys.argv[1:]
    {"sync": serve_sync, "async": serve_async}[mode](Path(directory) / f"langgraph-{mode}.db")
