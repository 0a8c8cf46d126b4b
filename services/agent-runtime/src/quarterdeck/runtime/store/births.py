"""Runs that are accepted and begun in one statement, however many: PostgreSQL only.

A run that is accepted by the ordinary store functions makes about ten statements, and those of many runs
follow each other in their shared transaction. Here all runs of a collection, their places in the queue,
labels, first events and timers are inserts of one statement: one round trip and one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

from quarterdeck.common import codec
from quarterdeck.common.database.tenancy import SETTING
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.store.commits import Commit, journal_rows
from quarterdeck.runtime.store.together import is_plain
from quarterdeck.runtime.tables import JOURNAL, RUN_LABELS, RUN_QUEUE, RUNS, TIMERS

# The runs first: what the other tables get is of those that were really created.
TABLES = (RUNS, RUN_QUEUE, RUN_LABELS, JOURNAL, TIMERS)
DEFAULTS = {table: {c.name: getattr(c.default, "arg", None) for c in table.c} for table in TABLES}


@dataclass(frozen=True, slots=True)
class Newborn:
    """A run to create, as `insert_runs` takes it, and its first append.

    `once` is what no two starts may decide about at the same time, or empty.
    """

    row: dict[str, Any]
    unit: Commit
    once: str = ""


def may_go_together(row: dict[str, Any], unit: Commit) -> bool:
    """Returns whether a new run waits for nobody, and its first append touches only itself."""
    alone = not row["gate"] and not row["session"]
    return alone and is_plain(unit) and not unit.consumed


def create_together(connection: Connection, births: Sequence[Newborn]) -> set[str]:
    """Creates the runs, each with its first append, and returns the ids of those that were.

    A run whose idempotency key was used before is left out.
    """
    rows = {
        RUNS: [birth.row | birth.unit.run for birth in births],
        RUN_QUEUE: [_place(birth) for birth in births if not birth.unit.finished],
        RUN_LABELS: [label for birth in births for label in _labels(birth.row)],
        JOURNAL: [event for birth in births for event in journal_rows(birth.unit)],
        TIMERS: [timer for birth in births for timer in birth.unit.timers],
    }
    tenants = ",".join(sorted({birth.row["tenant_id"] for birth in births}))
    locks = sorted({birth.once for birth in births if birth.once})
    columns = [column for table in TABLES for column in _columns(table, rows[table])]
    cursor = connection.connection.cursor()
    cursor.execute(statement(), [tenants, locks, *columns])
    return {row[0] for row in cursor.fetchall()}


def _place(birth: Newborn) -> dict[str, Any]:
    """Returns the run's place in the queue: held, or parked, for nothing can have arrived yet.

    One whose unit names no worker is for any of them.
    """
    row, unit = birth.row, birth.unit
    parks = unit.park_if_inbox is not None
    return {
        **{name: row[name] for name in DEFAULTS[RUN_QUEUE] if name in row},
        "status": "parked" if parks else "held" if unit.worker else "ready",
        "ready_at": row["created_at"],
        "worker": "" if parks else unit.worker,
        "epoch": unit.epoch,
        "seq": len(unit.events),
        "version": REDUCER_VERSION,
        "batch": unit.batch,
    }


def _labels(row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["labels"] == b"{}":
        return []
    mine = {"tenant_id": row["tenant_id"], "run_id": row["run_id"]}
    return [{**mine, "name": name, "value": value} for name, value in codec.loads(row["labels"]).items()]


def _columns(table: Table, rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [[row.get(name, default) for row in rows] for name, default in DEFAULTS[table].items()]


@cache
def statement() -> str:
    """Returns the statement. Its parameters: tenants, locks, then each table's columns in their order."""
    place, inserts = 3, []
    for table in TABLES:
        inserts.append(_insert(table, place))
        place += len(table.c)
    return f"""
WITH named AS MATERIALIZED (SELECT set_config('{SETTING}', $1::text, true) AS tenants),
  locked AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock(hashtextextended(k.key, 0))) FROM unnest($2::text[]) AS k(key)
  ),
  {", ".join(inserts)}
SELECT run_id FROM in_runs"""


def _insert(table: Table, first: int) -> str:
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = [column.type.compile(dialect=dialect).split()[0] for column in table.c]
    source = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, first))
    names = ", ".join(table.c.keys())
    given = f"unnest({source}) AS s({names})"
    if table is RUNS:
        ending = "ON CONFLICT (tenant_id, idempotency_key) DO NOTHING RETURNING run_id"
        chosen = f"named, locked, {given} {ending}"
    else:
        chosen = f"in_runs JOIN {given} ON s.run_id = in_runs.run_id"
    return f"in_{table.name} AS (INSERT INTO {table.name} ({names}) SELECT s.* FROM {chosen})"
