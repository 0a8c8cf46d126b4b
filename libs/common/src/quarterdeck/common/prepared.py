"""Statements that are compiled once and then go to the driver as they are.

SQLAlchemy's execution of a small statement costs several times what SQLite needs for it. The
few statements that every step of every run makes are therefore written with SQLAlchemy, compiled
by it for the dialect at hand, and executed without it. Types must need no conversion: text,
numbers, bytes.
"""

from __future__ import annotations

import keyword
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, TextClause, Update
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
Statement = Select[Any] | Insert | Update | Delete | TextClause


class Prepared:
    """A statement with named parameters, ready for any connection.

    Args:
        statement: as for `Connection.execute`.
        columns: the columns that an INSERT or UPDATE without values sets. An INSERT sets
            columns with a default to that when a row does not name them.
    """

    def __init__(self, statement: Statement, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def __call__(self, connection: Connection, values: Values) -> int:
        """Executes with one set of values and returns the count of rows that it changed."""
        return int(self._execute(connection, values).rowcount)

    def many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Executes with each of `rows`."""
        compiled = self._for(connection.dialect)
        connection.connection.cursor().executemany(compiled.sql, [compiled.bind(row) for row in rows])

    def rows(self, connection: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Executes a query and returns its rows."""
        return list(self._execute(connection, values).fetchall())

    def first(self, connection: Connection, values: Values) -> tuple[Any, ...] | None:
        """Executes a query, or a statement that returns rows, and returns the first row, or None."""
        found = self._execute(connection, values).fetchall()
        return found[0] if found else None

    def scalar(self, connection: Connection, values: Values) -> Any:
        """Does the same and returns the first row's first column, None when there is no row."""
        row = self.first(connection, values)
        return None if row is None else row[0]

    def records(self, connection: Connection, values: Values) -> list[Any]:
        """Executes a query and returns its rows, with the names of the columns."""
        record = self._for(connection.dialect).record
        return [record(row) for row in self._execute(connection, values).fetchall()]

    def record(self, connection: Connection, values: Values) -> Any:
        """Executes a query that finds one row at most; returns it as `records` does, or None."""
        found = self.records(connection, values)
        return found[0] if found else None

    def _execute(self, connection: Connection, values: Values) -> Any:
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(compiled.sql, compiled.bind(values))
        return cursor

    def _for(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement, self._columns, dialect)
        return compiled


class _Compiled:
    """SQL of one dialect, the order of its parameters, and the values that never change."""

    def __init__(self, statement: Statement, columns: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        assert isinstance(compiled, SQLCompiler) and compiled.positiontup is not None
        assert not compiled.post_compile_params, "a list of values has no fixed place: give each its own"
        self.sql = str(compiled)
        self.record = _record_of(statement)
        self._order = tuple(compiled.positiontup)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        if isinstance(statement, Insert):
            self._fixed |= _defaults(statement)

    def bind(self, values: Values) -> list[Any]:
        """Returns the parameters in their order. Raises KeyError for one that is missing."""
        fixed = self._fixed
        return [values[name] if name in values else fixed[name] for name in self._order]


def _record_of(statement: Statement) -> Callable[[Sequence[Any]], Any]:
    """Returns what makes a row with names of one without; a tuple as it is if the columns have no names."""
    if not isinstance(statement, Select):
        return tuple
    names = statement.selected_columns.keys()
    if not all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
        return tuple
    row: Any = namedtuple("row", names)  # type: ignore[misc]  # the names are the statement's
    make: Callable[[Sequence[Any]], Any] = row._make
    return make


def _defaults(statement: Insert) -> dict[str, Any]:
    columns = statement.table.columns
    return {c.name: getattr(c.default, "arg", None) for c in columns if c.default is not None or c.nullable}
