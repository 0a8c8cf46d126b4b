"""The graph of five no-op tool steps that LangGraph's sides run, whatever checkpointer they have.

Each node calls one no-op tool that is registered in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, TypedDict

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


def run_threads(graphs: Sequence[Any], concurrency: int, runs: int) -> None:
    """Does `runs` runs on `concurrency` threads; each takes one of `graphs`, which differ in their saver."""

    def one(number: int) -> None:
        graph = graphs[number % len(graphs)]
        check(graph.invoke({"outcome": None}, config(), durability="sync"))

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(one, range(runs)))


async def run_tasks(graphs: Sequence[Any], concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time; each slot has one of `graphs`."""
    left = iter(range(runs))

    async def worker(graph: Any) -> None:
        for _number in left:
            check(await graph.ainvoke({"outcome": None}, config(), durability="sync"))

    await asyncio.gather(*(worker(graphs[slot % len(graphs)]) for slot in range(concurrency)))
