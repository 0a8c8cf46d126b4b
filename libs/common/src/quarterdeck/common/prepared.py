"""Statements that are compiled once and then go to the driver as they are.

SQLAlchemy's execution of a small statement costs several times what SQLite needs for it. The
few statements that every step of every run makes are therefore written with SQLAlchemy, compiled
by it for the dialect at hand, and executed without it. Types must need no conversion: text,
numbers, bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
Statement = Select[Any] | Insert | Update | Delete


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
        self.sql = str(compiled)
        self._order = tuple(compiled.positiontup)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        if isinstance(statement, Insert):
            self._fixed |= _defaults(statement)

    def bind(self, values: Values) -> list[Any]:
        """Returns the parameters in their order. Raises KeyError for one that is missing."""
        fixed = self._fixed
        return [values[name] if name in values else fixed[name] for name in self._order]


def _defaults(statement: Insert) -> dict[str, Any]:
    columns = statement.table.columns
    return {c.name: getattr(c.default, "arg", None) for c in columns if c.default is not None or c.nullable}
