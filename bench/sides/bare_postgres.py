"""The ceiling: the SQL of a five-step run, driven by asyncpg and nothing else, with row-level security on.

The engine's own schema and the engine's own two statements, with the arguments that a run of five steps gives
them; no planner, no state, no tool. As in the engine, the runs that are under way at once share their
statements and their commits. Driven as `answers.py` says.

    python bench/sides/bare_postgres.py POSTGRES_URL
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import uvloop
from answers import serve

from quarterdeck.common.database import open_database
from quarterdeck.common.ids import uuid7
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.store import births, packing, together
from quarterdeck.runtime.tables import JOURNAL, METADATA, RUN_QUEUE, RUNS

STEPS = 5
TENANT = "00000000-0000-7000-8000-000000000001"
WORKER = "01a1fe1d-148f-7e4b-bdde-008a41841251"
CONNECTIONS = 2

Columns = list[list[Any]]


def event(type_: str, /, **data: Any) -> Event:
    """Returns an event."""
    return Event(type_, data)


def intent(number: int) -> list[Event]:
    """Returns what is appended before a step."""
    node, target = f"n{number}", {"server": "bench", "tool": "noop"}
    return [
        event("step.started", step=node, node=node, kind="tool"),
        event(
            "effect.intent", effect=f"e{number + 1}", step=node, kind="tool", target=target,
            arguments={"i": number}, attempt=1,
        ),
    ]  # fmt: skip


def outcome(number: int) -> list[Event]:
    """Returns what is appended after a step."""
    following = {"next": f"n{number + 1}"} if number + 1 < STEPS else {}
    done = event("effect.outcome", effect=f"e{number + 1}", status="ok", result={"i": number})
    return [done, event("step.completed", step=f"n{number}", **following)]


def appends() -> list[list[Event]]:
    """Returns what each commit of a run appends."""
    facts = {"kind": "Workflow", "name": "five", "tenant": "default", "labels": {}, "input": {}, "budget": {}}
    end = [event("run.phase", phase="finally"), event("run.succeeded", output={"i": STEPS - 1})]
    first = [event("run.started", **facts, session=""), *intent(0)]
    between = [outcome(number) + intent(number + 1) for number in range(STEPS - 1)]
    return [first, *between, outcome(STEPS - 1) + end]


APPENDS = appends()
FIRST = len(APPENDS[0])
RUN = {
    "tenant_id": TENANT, "tenant": "default", "kind": "Workflow", "name": "five", "state": "running",
    "revision": "Workflow/five@09282f9dacdf", "closure": "82c425dbce3542d8649cad7d", "labels": b"{}",
    "input": b"{}", "principal": b'{"subject":"bench","groups":[]}', "budget": b"{}",
    "request_hash": "",
}  # fmt: skip
PLACE = {"tenant_id": TENANT, "status": "held", "worker": WORKER, "epoch": 1, "seq": FIRST, "version": 1}


def start_arguments(ids: Sequence[str], now: float) -> list[Any]:
    """Returns what the statement that creates runs is given."""
    filled: dict[Any, Columns] = {
        RUNS: _constant(RUNS, ids, {**RUN, "created_at": now, "started_at": now}, ("run_id", "root_run_id")),
        RUN_QUEUE: _constant(RUN_QUEUE, ids, {**PLACE, "ready_at": now}, ("run_id",)),
        JOURNAL: _journal(ids, APPENDS[0], now),
    }
    columns = [column for table in births.TABLES for column in filled.get(table, [[] for _ in table.c])]
    return [TENANT, [], *columns]


def _constant(table: Any, ids: Sequence[str], values: dict[str, Any], own: tuple[str, ...]) -> Columns:
    """Returns columns of rows that differ in their run alone."""
    given = births.DEFAULTS[table] | values
    return [list(ids) if name in own else [given[name]] * len(ids) for name in given]


def _journal(ids: Sequence[str], events: list[Event], now: float) -> Columns:
    rows = [tuple(row.values()) for run_id in ids for row in packed(run_id, 0, events, now)]
    return [list(column) for column in zip(*rows, strict=True)]


def packed(run_id: str, after: int, events: list[Event], now: float) -> list[dict[str, Any]]:
    """Returns the rows that the journal keeps of an append."""
    stamped = [replace(one, at=now) for one in events]
    return packing.rows(run_id, TENANT, after, stamped)


def append_arguments(ids: Sequence[str], number: int, seq: int, now: float) -> list[Any]:
    """Returns what the statement that moves runs on is given."""
    events, count = APPENDS[number], len(ids)
    ends = number == STEPS
    following, units = seq + len(events), list(range(1, count + 1))
    rows = [
        (unit, row["seq"], row["type"], row["data"], row["at"])
        for unit, run_id in zip(units, ids, strict=True)
        for row in packed(run_id, seq, events, now)
    ]
    changed: dict[str, Any] = {"state": "succeeded", "output": b'{"i":4}', "finished_at": now}
    changed["last_seq"] = following
    changes = [[changed.get(name)] * count if ends else [] for name in together.COLUMNS]
    return [
        TENANT, list(ids), [TENANT] * count, [WORKER] * count, [1] * count, [seq] * count,
        [following] * count,
        [f"1.{number}"] * count, [None] * count, [ends] * count,
        *[list(column) for column in zip(*rows, strict=True)], units if ends else [], *changes, [], [], now,
    ]  # fmt: skip


@dataclass(slots=True)
class Lane:
    """A connection, and the statements prepared on it."""

    connection: asyncpg.Connection
    start: Any
    append: Any

    async def runs(self, count: int) -> None:
        """Does `count` runs together: each commit is one statement for all of them."""
        ids, seq = [uuid7() for _ in range(count)], 0
        for number, events in enumerate(APPENDS):
            now = time.time()
            if number == 0:
                passed = await self.start.fetch(*start_arguments(ids, now))
            else:
                answers = await self.append.fetch(*append_arguments(ids, number, seq, now))
                passed = [unit for unit, fate in answers if fate == "done"]
            if len(passed) != count:
                raise RuntimeError(f"commit {number}: {len(passed)} of {count} runs passed")
            seq += len(events)


async def lane(url: str) -> Lane:
    """Opens a connection."""
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    statements = (births.statement(), together.CALL)
    return Lane(connection, *[await connection.prepare(statement) for statement in statements])


async def open_lanes(url: str) -> list[Lane]:
    """Makes the tables and opens the connections."""
    await (await open_database(url, METADATA)).close()
    return [await lane(url) for _ in range(CONNECTIONS)]


async def run(lanes: list[Lane], concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time, shared by the connections."""
    used = lanes[: max(1, min(len(lanes), concurrency))]
    sizes = batches(runs, max(1, concurrency // len(used)))

    async def drive(one: Lane) -> None:
        for size in sizes:
            await one.runs(size)

    await asyncio.gather(*(drive(one) for one in used))


def batches(total: int, size: int) -> Iterator[int]:
    """Yields sizes of batches that add up to `total`."""
    while total > 0:
        yield min(total, size)
        total -= size


def main(url: str) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lanes = runner.run(open_lanes(url))
        serve(lambda concurrency, runs: runner.run(run(lanes, concurrency, runs)))
        for one in lanes:
            runner.run(one.connection.close())


if __name__ == "__main__":
    main(sys.argv[1])
