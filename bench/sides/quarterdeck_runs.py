"""Ours: runs of five no-op tool steps, or of five pure nodes, on the engine with a database of its own.

Everything the engine does to a run is done: start, claim, journal, queue, end. The tool is
registered in this process, as the peer's is. Driven as `answers.py` says; it says its loop's lag too.

    python bench/sides/quarterdeck_runs.py DIRECTORY [DATABASE_URL [tools|pure]]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from answers import serve
from lag import Lag
from sqlalchemy import func, select

from quarterdeck.common.database import open_database
from quarterdeck.common.garbage import keep_for_good
from quarterdeck.runtime.streaming.live import Live
from quarterdeck.runtime.tables import METADATA, RUNS
from quarterdeck.runtime.testing.harness import Harness

STEPS = 5
AT_ONCE = 128
# Seconds until a run is looked for in the database.
PATIENCE = 20.0


async def noop(arguments: Any) -> Any:
    """The tool."""
    return arguments


def workflow(work: str) -> dict[str, Any]:
    """Returns the workflow of five steps in a row."""
    nodes: list[dict[str, Any]] = []
    for number in range(STEPS):
        tool = {"tool": {"server": "bench", "name": "noop", "arguments": {"i": number}}}
        does = tool if work == "tools" else {"transform": {"output": {"i": number}}}
        nodes.append({"name": f"n{number}", **does, "next": [{"to": f"n{number + 1}"}]})
    del nodes[-1]["next"]
    return {"nodes": nodes}


async def one(harness: Harness, kind: str = "Workflow", name: str = "five") -> None:
    """Starts a run and waits until its end is committed."""
    run_id = await harness.start(kind, name, {})
    events = harness.engine.live.listen(run_id)
    try:
        async with asyncio.timeout(PATIENCE):
            await ended(events)
    except TimeoutError:  # a worker that was starved for longer than its lease has lost the run to another
        await harness.wait(run_id, "succeeded", timeout=10 * PATIENCE)
    harness.engine.live.forget(run_id, events)


async def ended(events: asyncio.Queue[Live | None]) -> None:
    """Waits for the event that ends a run well.

    Raises:
        RuntimeError: it ended otherwise.
        TimeoutError: events were lost.
    """
    while event := await events.get():
        if event.type == "run.succeeded":
            return
        if event.type.startswith("run.failed"):
            raise RuntimeError(event.data.decode())
    raise TimeoutError


async def one_at_once(harness: Harness) -> str:
    """Starts a run that ends in the commit that starts it, and returns its id."""
    return await harness.start("Workflow", "five", {})


async def all_ended(harness: Harness, ids: list[str]) -> None:
    """Waits until all of these have ended well: one query for all, as the peer makes none at all."""
    ended = select(func.count()).where(RUNS.c.run_id.in_(ids), RUNS.c.state == "succeeded")

    async def have_all() -> bool:
        return bool((await harness.look(ended))[0][0] == len(ids))

    await harness.until(have_all)


async def run(harness: Harness, work: str, concurrency: int, runs: int) -> Mapping[str, float]:
    """Does `runs` runs, `concurrency` at a time."""
    left = iter(range(runs))
    ids: list[str] = []

    async def worker() -> None:
        for _number in left:
            if work == "tools":
                await one(harness)
            else:
                ids.append(await one_at_once(harness))

    async with Lag() as lag:
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        await all_ended(harness, ids)
    return {"lag": lag.at(0.999)}


async def open_harness(directory: Path, url: str, work: str) -> Harness:
    """Returns the engine, its worker started."""
    database = await open_database(url, METADATA) if url else None
    specs = {"Workflow/five": workflow(work)}
    harness = Harness(
        directory, specs=specs, tools={"bench/noop": noop}, concurrency=AT_ONCE, database=database
    )
    return await harness.__aenter__()


def main(directory: Path, url: str = "", work: str = "tools") -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        harness = runner.run(open_harness(directory, url, work))
        keep_for_good()  # as `qd serve` does
        serve(lambda concurrency, runs: runner.run(run(harness, work, concurrency, runs)))
        runner.run(harness.__aexit__())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
