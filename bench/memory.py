"""Memory under load: vectors are saved and indexed while the loop and another collection are watched.

    python bench/memory.py [--vectors 100000] [--size 1536]

Prints what saving cost, how late the event loop woke at worst, what a search in another
collection took, and the machine's own baseline: the same loop and the same search with
nothing else going on. The target is a loop lag below 50 ms. "Own work" is the processor time
of the loop's thread between two wake-ups: what is late beyond it, a busy machine made late.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
import uuid
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from report import Figure, report

from quarterdeck.memory.engine.client import EdgeEngine, slice_length
from quarterdeck.memory.engine.interface import CollectionKey, Point, SearchQuery, Shape

BIG, SMALL = CollectionKey("bench", "big"), CollectionKey("bench", "small")
PERIOD = 0.005
# What indexing may delay another run's step by.
LIMIT = "<= 100 ms"


@dataclass
class Watch:
    """Loop lags and search times, in seconds."""

    engine: EdgeEngine
    query: array[float]
    lags: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)

    async def loop(self) -> None:
        """Measures how late the loop wakes, and how long its own thread computed meanwhile."""
        while True:
            due, computed = time.perf_counter() + PERIOD, time.thread_time()
            await asyncio.sleep(PERIOD)
            self.lags.append(time.perf_counter() - due)
            self.work.append(time.thread_time() - computed)

    async def search(self) -> None:
        """Searches the small collection again and again."""
        while True:
            began = time.perf_counter()
            await self.engine.search(SMALL, SearchQuery(self.query, "vendor 3 invoice 77", 10))
            self.searches.append(time.perf_counter() - began)
            await asyncio.sleep(2 * PERIOD)

    def show(self, title: str) -> list[Figure]:
        """Prints one line and returns its figures: the loop's worst lag, the slowest search elsewhere."""
        lags, searches = sorted(self.lags), sorted(self.searches)
        middle, late = searches[len(searches) // 2], searches[int(len(searches) * 0.99)]
        print(f"{title}, {len(searches)} searches in another collection:")
        print(f"  loop lag max {lags[-1] * 1e3:.1f} ms, own work max {max(self.work) * 1e3:.1f} ms;", end=" ")
        print(f"search p50 {middle * 1e3:.1f}, p99 {late * 1e3:.1f}, max {searches[-1] * 1e3:.1f} ms")
        lag, work, search = lags[-1] * 1e3, max(self.work) * 1e3, searches[-1] * 1e3
        figures = [
            Figure(
                f"{title}: loop lag max",
                "ms",
                lag,
                work,
                "own work of the loop's thread",
                None,
                LIMIT,
                lag <= 100,
            ),
            Figure(
                f"{title}: search elsewhere max", "ms", search, middle * 1e3, "its median", None, "said", None
            ),
        ]
        self.lags.clear()
        self.work.clear()
        self.searches.clear()
        return figures


def some_vectors(size: int) -> list[array[float]]:
    """Returns a few hundred random vectors; points take them in turn, a little changed."""
    rolls = random.Random(1)
    return [array("f", [rolls.random() - 0.5 for _ in range(size)]) for _ in range(256)]


def points(first: int, count: int, vectors: list[array[float]]) -> list[Point]:
    """Returns points with distinct vectors and texts."""
    made = []
    for number in range(first, first + count):
        vector = array("f", vectors[number % len(vectors)])
        vector[number % len(vector)] += 1.0
        vector[number * 7 % len(vector)] -= 1.0
        text = f"vendor {number % 97} invoice {number}"
        made.append(Point(str(uuid.UUID(int=number)), vector, {"text": text, "n": number}))
    return made


async def save(engine: EdgeEngine, vectors: list[array[float]], total: int) -> float:
    """Saves everything, a slice at a time, and returns the seconds it took."""
    step = slice_length(len(vectors[0]))
    began = time.perf_counter()
    for first in range(0, total, step):
        await engine.upsert(BIG, points(first, min(step, total - first), vectors))
    return time.perf_counter() - began


async def run(total: int, size: int, directory: Path) -> None:
    """Runs the benchmark in a fresh directory."""
    engine, vectors = EdgeEngine(directory), some_vectors(size)
    await engine.open()
    for key in (BIG, SMALL):
        await engine.ensure(key, Shape(size, {"n": "integer"}))
    await engine.upsert(SMALL, points(0, 1000, vectors))
    watch = Watch(engine, vectors[3])
    watchers = [asyncio.create_task(watch.loop()), asyncio.create_task(watch.search())]
    await asyncio.sleep(2)
    figures = watch.show("idle")
    saving = await save(engine, vectors, total)
    figures += watch.show(f"saving {total}")
    began = time.perf_counter()
    await engine.settled(BIG)
    indexing = time.perf_counter() - began
    figures += watch.show("building the graph index")
    for task in watchers:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    began = time.perf_counter()
    for number in range(100):
        await engine.search(BIG, SearchQuery(vectors[number], "", 10))
    print(f"saved {total} x {size} in {saving:.1f} s ({total / saving:.0f}/s), durable when acknowledged")
    print(f"index of {engine.route(BIG).indexed} ready {indexing:.1f} s later")
    print(f"vector search in the big collection: {(time.perf_counter() - began) / 100 * 1e3:.1f} ms")
    children = [child.memory_info().rss >> 20 for child in psutil.Process().children()]
    print(f"memory of the engine's processes (MiB, mapped files included): {children}")
    await engine.close()
    report("memory", figures)


def main() -> None:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description="Memory under load.")
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=1536)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as directory:
        asyncio.run(run(arguments.vectors, arguments.size, Path(directory)))


if __name__ == "__main__":
    main()
