"""Ours: the resident memory of a worker with many runs under way, and with many parked.

Driven as `answers.py` says: `concurrency` 1 adds `runs` runs that are in a tool call until the end, 0 adds
`runs` that wait for a signal. Says the resident memory afterwards.

    python bench/sides/quarterdeck_memory.py DIRECTORY DATABASE_URL
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from answers import serve

from quarterdeck.common.database import open_database
from quarterdeck.common.garbage import keep_for_good
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.harness import Harness

MOST = 4000
TOGETHER = 100
HANGS = {"nodes": [{"name": "n", "tool": {"server": "bench", "name": "hang", "arguments": {"i": 1}}}]}
WAITS = {"nodes": [{"name": "n", "wait": {"signal": {"name": "paid"}}}]}


class Tools:
    """A tool that answers at the end."""

    def __init__(self) -> None:
        self.under_way = asyncio.Semaphore(0)
        self.end = asyncio.Event()

    async def hang(self, arguments: Any) -> Any:
        """The tool."""
        self.under_way.release()
        await self.end.wait()
        return arguments


async def add_running(harness: Harness, tools: Tools, runs: int) -> None:
    """Starts runs, and waits until their tool calls are under way."""
    await _start(harness, "hangs", runs)
    for _ in range(runs):
        await tools.under_way.acquire()


async def _start(harness: Harness, name: str, runs: int) -> None:
    for first in range(0, runs, TOGETHER):
        count = min(TOGETHER, runs - first)
        await asyncio.gather(*(harness.start("Workflow", name) for _ in range(count)))


async def measure(harness: Harness, tools: Tools, running: int, runs: int) -> Mapping[str, float]:
    """Adds runs and says the memory."""
    await (add_running(harness, tools, runs) if running else _start(harness, "waits", runs))
    await asyncio.sleep(1.0)
    gc.collect()
    return {"mebibytes": resident()}


def resident() -> float:
    """Returns this process's resident memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


async def open_harness(directory: Path, url: str, tools: Tools) -> Harness:
    """Returns the engine, its worker started."""
    return await Harness(
        directory,
        specs={"Workflow/hangs": HANGS, "Workflow/waits": WAITS},
        tools={"bench/hang": tools.hang},
        concurrency=MOST,
        database=await open_database(url, METADATA),
    ).__aenter__()


def main(directory: Path, url: str) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tools = Tools()
        harness = runner.run(open_harness(directory, url, tools))
        keep_for_good()  # as `qd serve` does
        serve(lambda running, runs: runner.run(measure(harness, tools, running, runs)))
        tools.end.set()
        runner.run(harness.__aexit__())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
