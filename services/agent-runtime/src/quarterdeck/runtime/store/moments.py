"""Whose clock counts: for leases the database's, where several machines share one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func


def moment(connection: Connection, now: float) -> Any:
    """Returns the present moment (Unix time) as an SQL expression.

    On PostgreSQL it is the server's, whatever the clocks of its clients say; on SQLite, where there is
    one process, the caller's.
    """
    return moment_in(connection.dialect.name, now)


def moment_in(dialect: str, now: Any) -> Any:
    """Returns the same for a dialect; `now` may be a parameter of a statement."""
    if dialect == "postgresql":
        return func.extract("epoch", func.clock_timestamp())
    return now
