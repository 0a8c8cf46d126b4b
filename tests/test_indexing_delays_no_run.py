"""Saving and indexing 100,000 vectors does not delay another run's step by more than 100 ms.

Memory and runtime share one process and one event loop here, as in `qd up`. The vectors are narrow, so that
100,000 of them fit into a test; on a machine too slow even for that the test stops after SAVING seconds and
prints how many there were. The whole, 100,000 x 1536, is measured by `bench/memory.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from array import array
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.memory.engine.client import EdgeEngine, slice_length
from quarterdeck.memory.engine.interface import CollectionKey, Point, Shape
from quarterdeck.runtime.testing.harness import Harness

VECTORS, SIZE = 100_000, 16
# Small enough that the graph index is built again and again while the vectors come.
INDEX_BYTES = 10_000 * SIZE * 4
SAVING, INDEXING = 20.0, 5.0
BIG = CollectionKey("tenant", "big")
STEPS = 5
NODES: list[dict[str, Any]] = [
    {
        "name": f"s{number}",
        "tool": {"server": "s", "name": "echo", "arguments": {"n": number}},
        **({"next": f"s{number + 1}"} if number + 1 < STEPS else {}),
    }
    for number in range(STEPS)
]


class Bystander:
    """Somebody else's runs, one after the other: how long each of their steps took, in seconds."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self.steps: list[float] = []

    async def watch(self) -> None:
        """Runs until cancelled."""
        while True:
            run = await self._harness.start("Workflow", "w", {})
            await self._harness.output(run)
            moments = [
                event.at for event in await self._harness.journal(run) if event.type == "step.completed"
            ]
            self.steps += [later - earlier for earlier, later in itertools.pairwise(moments)]

    def taken(self) -> list[float]:
        """Returns what was measured since the last time, the shortest first."""
        found, self.steps = sorted(self.steps), []
        return found


class OwnWork:
    """What the loop's thread computes between two wake-ups: the only lateness that is not the machine's."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Looks until cancelled."""
        while True:
            computed = time.thread_time()
            await asyncio.sleep(0.005)
            self.longest = max(self.longest, time.thread_time() - computed)


def points(first: int, count: int) -> list[Point]:
    made = []
    for number in range(first, first + count):
        vector = array("f", [float(number >> place & 1) + 0.1 for place in range(SIZE)])
        made.append(Point(str(uuid.UUID(int=number)), vector, {"text": f"invoice {number}", "n": number}))
    return made


async def save(engine: EdgeEngine) -> int:
    """Saves until all are saved, or the time is over; returns how many there are."""
    step, end = min(slice_length(SIZE), 500), time.monotonic() + SAVING
    saved = 0
    while saved < VECTORS and time.monotonic() < end:
        await engine.upsert(BIG, points(saved, step))
        saved += step
    return saved


@pytest.mark.usefixtures("quiet_heap")
async def test_indexing_delays_no_step_of_another_run(tmp_path: Path) -> None:
    async def echo(arguments: Any) -> Any:
        return arguments

    engine = EdgeEngine(tmp_path / "vectors", INDEX_BYTES)
    await engine.open()
    await engine.ensure(BIG, Shape(SIZE, {"n": "integer"}))
    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": NODES}}, tools={"s/echo": echo}) as h:
        bystander, own = Bystander(h), OwnWork()
        watchers = [asyncio.create_task(one.watch()) for one in (bystander, own)]
        await asyncio.sleep(1)
        alone = bystander.taken()
        saved = await save(engine)
        await asyncio.wait([asyncio.create_task(engine.settled(BIG))], timeout=INDEXING)
        beside = bystander.taken()
        for task in watchers:
            task.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        assert await engine.count(BIG) == saved
        indexed = engine.route(BIG).indexed
    await engine.close()
    usual, late = alone[int(len(alone) * 0.99)], beside[int(len(beside) * 0.99)]
    print(f"{saved} vectors saved, {indexed} indexed; own work at most {own.longest * 1e3:.1f} ms")
    print(f"a step beside them: p99 {late * 1e3:.1f} ms, max {beside[-1] * 1e3:.1f} ms, of {len(beside)}")
    print(f"a step alone:       p99 {usual * 1e3:.1f} ms, of {len(alone)}")
    assert saved >= 10_000 and indexed > 0
    assert len(alone) > 20 and len(beside) > 100
    assert own.longest < 0.1
    # Other tests run on this machine: what a step takes when nothing is saved is not memory's doing.
    assert late < usual + 0.1
