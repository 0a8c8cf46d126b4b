"""What a claim costs from 10 to 1,000,000 open runs, and timers and parked runs, on PostgreSQL.

A throw-away server is started; `run_queue` is filled over 10,000 tenants, one of which has nine of ten runs
and is at its limit. Somebody's transaction is open all the while. All sizes are measured in turn, in rounds.
Writes build/bench-claims.json and build/claims-plans.txt.

    python bench/claims [--runs 1000000] [--dead 300000] [--only claims|timers|parked]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import waiting  # noqa: E402
from claiming import Claims, Cost, Plan, cost_of, in_turn, plans, renewing, usual_way  # noqa: E402
from filling import Queue, idle_transaction, open_queue  # noqa: E402
from report import BUILD, Figure, report  # noqa: E402

from hack.services import keeper, state  # noqa: E402

SIZES = (10, 1_000, 100_000, 1_000_000)
ROUNDS = {1: 200, 32: 60}
MOST_RATIO = 1.5
PENDING, AT_ONCE, PARKED = 100_000, 5_000, 100_000


def curve(name: str, costs: Mapping[int, Cost]) -> list[Figure]:
    """Returns the figures of a claim at each size, beside that with the fewest runs."""
    first = costs[min(costs)]
    return [_beside_first(f"{name}, {size:,} open runs", cost, first) for size, cost in costs.items()]


def _beside_first(name: str, cost: Cost, first: Cost) -> Figure:
    ratio = cost.median / first.median
    met = ratio <= MOST_RATIO
    return Figure(name, "ms", cost.median, first.median, "fewest runs", ratio, f"<= {MOST_RATIO}x", met)


def said(name: str, unit: str, value: float, target: str = "said", met: bool | None = None) -> Figure:
    """Returns a figure without a peer."""
    return Figure(name, unit, value, None, "", None, target, met)


async def claims(url: str, most: int, dead: int) -> list[Figure]:
    """Measures claims at every size up to `most`."""
    queues = {size: await open_queue(url, f"claims_{size}") for size in SIZES if size <= most}
    for size, queue in queues.items():
        await queue.fill(size, time.time())
    async with idle_transaction(url):
        workers = {size: Claims(queue.database) for size, queue in queues.items()}
        known = {size: await worker.get_to_know() for size, worker in workers.items()}
        found = [said(f"finding all strands of {most:,} runs once", "ms", known[most] * 1000)]
        await in_turn(workers, 20, 1)
        found += await _measured(workers, "")
        found += await _pages(queues)
        found += await _after_deaths(queues, workers, dead)
    for queue in queues.values():
        await queue.database.close()
    return found


async def _measured(workers: Mapping[int, Claims], when: str) -> list[Figure]:
    """Returns the curves of a claim without its look, and of a look."""
    await in_turn(workers, ROUNDS[1], 1)
    found = curve(f"claim of 1{when}", {size: cost_of(worker.seconds) for size, worker in workers.items()})
    found += curve(f"look{when}", {size: cost_of(worker.looks) for size, worker in workers.items()})
    many = {size: worker for size, worker in workers.items() if size > SIZES[0]}
    await in_turn(many, ROUNDS[32], 32)
    costs = {size: cost_of(worker.seconds) for size, worker in many.items()}
    return found + (curve(f"claim of 32{when}", costs) if len(costs) > 1 else [])


async def _pages(queues: Mapping[int, Queue]) -> list[Figure]:
    """Returns how many pages the server touches, which no other process changes; writes the plans."""
    seen = {size: await plans(queue.database) for size, queue in queues.items()}
    _write(seen[max(seen)])
    return [
        said(f"pages of a look, a patrol and a claim of 32, {size:,} open runs", "pages", _sum(found))
        for size, found in seen.items()
    ]


def _sum(found: list[Plan]) -> float:
    return float(sum(plan.pages for plan in found))


def _write(found: list[Plan]) -> None:
    BUILD.mkdir(exist_ok=True)
    text = "\n\n".join(f"{plan.statement}\n--\n{plan.text}" for plan in found)
    if "Seq Scan on run_queue" in text:
        raise RuntimeError(f"a claim scans the queue:\n{text}")
    (BUILD / "claims-plans.txt").write_text(text + "\n")


async def _after_deaths(
    queues: Mapping[int, Queue], workers: Mapping[int, Claims], dead: int
) -> list[Figure]:
    most = max(queues)
    await queues[most].leave_dead(dead, time.time())
    name = f"after {dead:,} more were claimed and ended"
    found = await _measured({size: workers[size] for size in sorted(workers) if size != 100_000}, f", {name}")
    costs = {size: await renewing(queues[size].database, 30) for size in (min(queues), most)}
    found += curve(f"renewing a lease, {name}", costs)
    usual = await usual_way(queues[most].database, 20)
    return [*found, said(f"only asking for the oldest ready run, {name}", "ms", usual.median)]


async def timers(url: str) -> list[Figure]:
    """Measures timers."""
    queue = await open_queue(url, "timers")
    async with idle_transaction(url):
        late = await waiting.steady(queue, PENDING, 20.0)
        at_once = await waiting.burst(queue, PENDING, AT_ONCE)
    await queue.database.close()
    p99, name = late[int(len(late) * 0.99) - 1], f"timers, {PENDING:,} pending"
    return [
        said(f"{name}, 100 due a second, claims going on, late at p99", "s", p99, "<= 1 s", p99 <= 1.0),
        said(f"{name}, {AT_ONCE:,} due at once, the last", "s", at_once[-1], "<= 5 s", at_once[-1] <= 5.0),
    ]


async def parked(url: str) -> list[Figure]:
    """Measures what parked runs cost a worker that has nothing to do."""
    queue = await open_queue(url, "parked")
    with tempfile.TemporaryDirectory() as folder:
        few = await waiting.idle_worker(Path(folder), queue, 10, 20.0)
        many = await waiting.idle_worker(Path(folder), queue, PARKED, 20.0)
    await queue.database.close()
    more, grown = many[0] - few[0], many[1] - few[1]
    name = f"idle worker beside {PARKED:,} parked runs"
    return [
        Figure(
            f"{name}, transactions", "1/s", many[0], few[0], "10 parked runs", many[0] / few[0],
            "<= 1/s more", more <= 1.0,
        ),
        said(f"{name}, memory grown by", "MiB", grown, "<= 2 MiB", grown <= 2.0),
    ]  # fmt: skip


async def measure(url: str, most: int, dead: int, only: str) -> list[Figure]:
    """Measures everything, or one part of it, on one server."""
    found: list[Figure] = []
    if only in ("", "claims"):
        found += await claims(url, most, dead)
    if only in ("", "timers"):
        found += await timers(url)
    if only in ("", "parked"):
        found += await parked(url)
    return found


def main() -> None:
    """Starts a server, measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=SIZES[-1])
    parser.add_argument("--dead", type=int, default=300_000)
    parser.add_argument("--only", choices=("claims", "timers", "parked"), default="")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="qd-bench-claims-"))
    try:
        keeper.post(folder, os.getpid())
        server = state.ensure(folder, "postgres")
        report("claims", asyncio.run(measure(server.url, options.runs, options.dead, options.only)))
    finally:
        state.stop_all(folder)


if __name__ == "__main__":
    main()
