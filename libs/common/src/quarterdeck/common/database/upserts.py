"""Inserting what may be there already, in each dialect's own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

from quarterdeck.common.prepared import Prepared


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with the same key is there; returns whether it did."""
    return _insert_new(connection.dialect.name, table, frozenset(values))(connection, values) == 1


@cache
def _insert_new(dialect: str, table: Table, columns: frozenset[str]) -> Prepared:
    return Prepared(_insert(dialect, table).on_conflict_do_nothing(), sorted(columns))


def insert_or_update(
    connection: Connection, table: Table, key: Sequence[str], values: Mapping[str, Any]
) -> None:
    """Inserts a row, or sets the columns in `values` of the row with the same `key`."""
    statement = _insert(connection.dialect.name, table).values(**values)
    changes = {name: value for name, value in values.items() if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def _insert(dialect: str, table: Table) -> Any:
    # Imported on first use: a dialect that is not used costs a cold start a dozen modules.
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as on_postgresql

        return on_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as on_sqlite

    return on_sqlite(table)
