"""A map over 100,000 items beside maps over 100, on one worker.

Every item is a child run with a journal of its own. The peer is the same map over few items, measured
before and after the large one, so the ratio says whether the cost of an item grows with their number.

    python bench/map.py [--items 100000] [--database URL] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop
from report import Figure, report
from sides.lag import Lag

from quarterdeck.common.database import open_database
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.harness import Harness

SMALL, SMALL_MAPS = 100, 20
MOST_EVENTS = 1000
MOST_RATIO = 1.2
MOST_LAG_MS = 50
# Seconds a map may take.
LONGEST = 3600.0

LISTED = {"server": "bench", "name": "items", "arguments": {"count": "${input.count}"}}
EACH = {"items": "${nodes.list.output.items}", "workflow": "item", "input": {"x": "${item}"}}
SPECS = {
    "Workflow/all": {
        "nodes": [{"name": "list", "tool": LISTED, "next": ["each"]}, {"name": "each", "map": EACH}]
    },
    "Workflow/item": {"nodes": [{"name": "same", "transform": {"output": {"x": "${input.x}"}}}]},
}


async def items(arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool that lists what the map goes over."""
    return {"items": list(range(int(arguments["count"])))}


async def one(harness: Harness, count: int) -> tuple[str, float]:
    """Runs a map over `count` items. Returns its run and its seconds."""
    began = time.perf_counter()
    run_id = await harness.start("Workflow", "all", {"count": count})
    listening = harness.engine.live.listen(run_id)
    while (event := await listening.get()) and not event.type.startswith(("run.succeeded", "run.failed")):
        pass
    harness.engine.live.forget(run_id, listening)
    if event is None:
        await harness.wait(run_id, "succeeded", "failed", timeout=LONGEST)
    if (await harness.row(run_id)).state != "succeeded":
        raise RuntimeError(f"run {run_id} of {count} items did not succeed")
    return run_id, time.perf_counter() - began


async def small_maps(harness: Harness) -> float:
    """Returns the median seconds an item costs in a small map."""
    return statistics.median([(await one(harness, SMALL))[1] / SMALL for _ in range(SMALL_MAPS)])


def resident() -> float:
    """Returns this process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


async def measure(count: int, url: str) -> list[Figure]:
    """Runs both and compares, on the database `url`, or on a SQLite file of its own if that is empty."""
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(url, METADATA) if url else None
        async with Harness(
            Path(folder), specs=SPECS, tools={"bench/items": items}, concurrency=128, database=database
        ) as harness:
            await small_maps(harness)  # warms up
            before, memory = await small_maps(harness), resident()
            async with Lag() as lag:
                run_id, seconds = await one(harness, count)
            grown = resident() - memory
            small = (before + await small_maps(harness)) / 2
            events = len(await harness.journal(run_id))
    return figures(count, seconds / count, small, events, grown, lag.at(0.999))


def figures(count: int, large: float, small: float, events: int, grown: float, lag: float) -> list[Figure]:
    """Returns what is reported. `large` and `small` are seconds an item, `grown` is MiB, `lag` ms."""
    ratio = large / small
    name = f"map over {count:,} items"
    return [
        Figure(
            f"{name}, cost of an item", "ms", large * 1000, small * 1000, f"a map over {SMALL}",
            ratio, f"<= {MOST_RATIO}x", ratio <= MOST_RATIO,
        ),
        Figure(
            f"{name}, events of the parent", "events", events, None, "", None,
            f"<= {MOST_EVENTS}", events <= MOST_EVENTS,
        ),
        Figure(f"{name}, memory grown by", "MiB", grown, None, "", None, "said", None),
        Figure(
            f"{name}, loop lag at p99.9", "ms", lag, None, "", None,
            f"<= {MOST_LAG_MS} ms", lag <= MOST_LAG_MS,
        ),
    ]  # fmt: skip


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--database", default="", help="URL; a SQLite file of its own by default")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and report nothing")
    options = parser.parse_args()
    found = uvloop.run(measure(options.items, options.database))
    if options.json:
        print(json.dumps([asdict(figure) for figure in found]))
    else:
        report("map", found)


if __name__ == "__main__":
    main()
