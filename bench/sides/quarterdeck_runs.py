"""Ours: runs of five no-op tool steps on the engine, with its own database on SQLite.

Everything the engine does to a run is done: start, claim, journal, queue, end. The tool is
registered in this process, as the peer's is. Driven as `answers.py` says.

    python bench/sides/quarterdeck_runs.py DIRECTORY
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop
from answers import serve

from quarterdeck.runtime.testing.harness import Harness

STEPS = 5


async def noop(arguments: Any) -> Any:
    """The tool."""
    return arguments


def workflow() -> dict[str, Any]:
    """Returns the workflow of five steps in a row."""
    nodes: list[dict[str, Any]] = []
    for number in range(STEPS):
        tool = {"server": "bench", "name": "noop", "arguments": {"i": number}}
        nodes.append({"name": f"n{number}", "tool": tool, "next": [{"to": f"n{number + 1}"}]})
    del nodes[-1]["next"]
    return {"nodes": nodes}


async def one(harness: Harness) -> None:
    """Starts a run and waits until its end is committed."""
    run_id = await harness.start("Workflow", "five", {})
    events = harness.engine.live.listen(run_id)
    while (event := await events.get()).type != "run.succeeded":
        if event.type.startswith("run.failed"):
            raise RuntimeError(event.data.decode())
    harness.engine.live.forget(run_id, events)


async def run(harness: Harness, concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time."""
    left = iter(range(runs))

    async def worker() -> None:
        for _number in left:
            await one(harness)

    await asyncio.gather(*(worker() for _ in range(concurrency)))


def main(directory: Path) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        harness = Harness(
            directory, specs={"Workflow/five": workflow()}, tools={"bench/noop": noop}, concurrency=128
        )
        runner.run(harness.__aenter__())
        serve(lambda concurrency, runs: runner.run(run(harness, concurrency, runs)))
        runner.run(harness.__aexit__())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
