"""Appends of many runs as one: a single statement on PostgreSQL, a loop on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from quarterdeck.runtime.store.commits import Commit, Committed, Fate, commit, journal_rows

# Columns of a run's row that change, in the order of the function's arguments, and their types.
COLUMNS = {
    "state": "text",
    "reason": "text",
    "cost": "bigint",
    "tokens": "bigint",
    "open_approvals": "integer",
    "closure": "text",
    "started_at": "float8",
    "output": "bytea",
    "error": "bytea",
    "finished_at": "float8",
    "last_seq": "integer",
}
_TYPES = (
    *("text", "text[]", "text[]", "text[]", "integer[]", "integer[]", "integer[]", "text[]", "integer[]"),
    *("boolean[]", "integer[]", "integer[]", "text[]", "bytea[]", "float8[]", "integer[]"),
    *(f"{kind}[]" for kind in COLUMNS.values()),
    *("integer[]", "bigint[]", "float8"),
)
_ARGUMENTS = ", ".join(f"${n}::{kind}" for n, kind in enumerate(_TYPES, 1))
CALL = f"SELECT number, fate FROM commit_runs({_ARGUMENTS})"
# With timers that are set or cleared. One that is firing at this moment is locked: it goes by itself.
_NEXT = len(_TYPES) + 1
_MADE = "JOIN made ON made.number = g.unit AND made.fate IN ('done', 'not-parked')"
CALL_WITH_TIMERS = f"""
WITH made AS MATERIALIZED ({CALL}),
  cleared AS (
    DELETE FROM timers AS t USING (
      SELECT t.run_id, t.timer
      FROM unnest(${_NEXT}::integer[], ${_NEXT + 1}::text[]) AS g(unit, timer) {_MADE}
      JOIN timers AS t ON t.run_id = ($2::text[])[g.unit] AND t.timer = g.timer FOR UPDATE OF t SKIP LOCKED
    ) AS gone WHERE t.run_id = gone.run_id AND t.timer = gone.timer
  ),
  added AS (
    INSERT INTO timers (run_id, timer, tenant_id, due)
    SELECT ($2::text[])[g.unit], g.timer, ($3::text[])[g.unit], g.due
    FROM unnest(${_NEXT + 2}::integer[], ${_NEXT + 3}::text[], ${_NEXT + 4}::float8[]) AS g(unit, timer, due)
    {_MADE}
  )
SELECT number, fate FROM made"""

# An append, and the time it is made at.
Dated = tuple[Commit, float]


def is_plain(unit: Commit) -> bool:
    """Returns whether an append touches nothing but its own run: then it may go together with others."""
    return unit.run.keys() <= COLUMNS.keys() and not (
        unit.children
        or unit.approvals
        or unit.approvals_closed
        or unit.deliveries
        or unit.cancel_children
        or unit.cancelled
        or unit.cancelled_keys
        or unit.steer_children
        or unit.snapshot is not None
        or (unit.finished and (unit.gate or unit.session))
    )


def commit_together(connection: Connection, items: Sequence[Dated]) -> list[Committed | Exception]:
    """Makes plain appends (see `is_plain`), each of which may fare differently.

    A run that somebody else has locked at this moment is answered as BUSY, and holds up nobody.
    """
    if connection.dialect.name != "postgresql":
        return [commit(connection, unit, now) for unit, now in items]
    cursor = connection.connection.cursor()
    arguments, timers = _arguments(items), _timers([unit for unit, _ in items])
    if any(timers):
        cursor.execute(CALL_WITH_TIMERS, [*arguments, *timers])
    else:
        cursor.execute(CALL, arguments)
    fates = {number: Fate(fate) for number, fate in cursor.fetchall()}
    return [Committed(fates[number]) for number in range(1, len(items) + 1)]


def _arguments(items: Sequence[Dated]) -> list[Any]:
    units = [unit for unit, _ in items]
    events = [
        (number, row["seq"], row["type"], row["data"], row["at"])
        for number, unit in enumerate(units, 1)
        for row in journal_rows(unit)
    ]
    rows = [(number, unit.run) for number, unit in enumerate(units, 1) if unit.run]
    consumed = [(number, row_id) for number, unit in enumerate(units, 1) for row_id in unit.consumed]
    return [
        ",".join(sorted({unit.tenant_id for unit in units})),
        [unit.run_id for unit in units],
        [unit.tenant_id for unit in units],
        [unit.worker for unit in units],
        [unit.epoch for unit in units],
        [unit.seq for unit in units],
        [unit.seq + len(unit.events) for unit in units],
        [unit.batch for unit in units],
        [unit.park_if_inbox for unit in units],
        [unit.finished for unit in units],
        *_columns(events, 5),
        [number for number, _ in rows],
        *([values.get(name) for _, values in rows] for name in COLUMNS),
        *_columns(consumed, 2),
        max(now for _, now in items),
    ]


def _timers(units: Sequence[Commit]) -> list[list[Any]]:
    """Returns which timers are cleared, and which are set; those of a run that is over go with it anyway."""
    going = [(number, unit) for number, unit in enumerate(units, 1) if not unit.finished]
    cleared = [(number, timer) for number, unit in going for timer in unit.timers_cleared]
    added = [(number, timer["timer"], timer["due"]) for number, unit in going for timer in unit.timers]
    return [*_columns(cleared, 2), *_columns(added, 3)]


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
