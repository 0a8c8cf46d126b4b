"""The peer: runs of five no-op tool steps in LangGraph on its SQLite checkpointer.

Runs in the environment .venv-bench, driven as `answers.py` says. Each node calls one no-op tool that
is registered in this process; `durability="sync"` makes LangGraph commit a step's outcome before
the next one begins.

    python bench/sides/langgraph_runs.py sync|async DIRECTORY
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
import uvloop
from answers import serve
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

STEPS = 5
IDS = count(1)


class State(TypedDict):
    """What a run carries from step to step: the last outcome."""

    outcome: Any


def noop(arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool."""
    return arguments


async def async_noop(arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool, for the asynchronous graph."""
    return arguments


TOOLS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"noop": noop}
ASYNC_TOOLS: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {"noop": async_noop}


def step(number: int) -> Callable[[State], State]:
    """Returns a node that calls the tool."""

    def node(_state: State) -> State:
        return {"outcome": TOOLS["noop"]({"i": number})}

    return node


def async_step(number: int) -> Callable[[State], Awaitable[State]]:
    """Returns a node that calls the tool."""

    async def node(_state: State) -> State:
        return {"outcome": await ASYNC_TOOLS["noop"]({"i": number})}

    return node


def compiled(make_node: Callable[[int], Any], saver: Any) -> Any:
    """Returns the graph of five steps in a row."""
    graph = StateGraph(State)
    names = [f"n{number}" for number in range(STEPS)]
    for number, name in enumerate(names):
        graph.add_node(name, make_node(number))
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


def config() -> dict[str, Any]:
    """Returns the configuration of a new run."""
    return {"configurable": {"thread_id": f"run-{next(IDS)}"}}


def check(result: Any) -> None:
    """Refuses a run that did not do its work."""
    if result != {"outcome": {"i": STEPS - 1}}:
        raise RuntimeError(f"the run ended with {result}")


def serve_sync(path: Path) -> None:
    """Serves measurements with the synchronous saver; concurrency is threads."""
    connection = sqlite3.connect(path, check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    connection.execute("PRAGMA synchronous=FULL")
    graph = compiled(step, saver)

    def one(_number: int) -> None:
        check(graph.invoke({"outcome": None}, config(), durability="sync"))

    def measure(concurrency: int, runs: int) -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(one, range(runs)))

    serve(measure)


async def open_async(path: Path) -> Any:
    """Returns the graph with the asynchronous saver."""
    saver = AsyncSqliteSaver(await aiosqlite.connect(path))
    await saver.setup()
    await saver.conn.execute("PRAGMA synchronous=FULL")
    return compiled(async_step, saver)


async def run_async(graph: Any, concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time."""
    left = iter(range(runs))

    async def worker() -> None:
        for _number in left:
            check(await graph.ainvoke({"outcome": None}, config(), durability="sync"))

    await asyncio.gather(*(worker() for _ in range(concurrency)))


def serve_async(path: Path) -> None:
    """Serves measurements with the asynchronous saver; concurrency is tasks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        graph = runner.run(open_async(path))
        serve(lambda concurrency, runs: runner.run(run_async(graph, concurrency, runs)))
        runner.run(graph.checkpointer.conn.close())


if __name__ == "__main__":
    mode, directory = sys.argv[1:]
    {"sync": serve_sync, "async": serve_async}[mode](Path(directory) / f"langgraph-{mode}.db")
