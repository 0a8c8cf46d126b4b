"""What state a database's schema is in: looked at, never changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, MetaData, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from quarterdeck.common.database.opening import SQLITE
from quarterdeck.common.database.rules import PROTECTED
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.migrations import current_revision, head_of

_FORCED = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    AND relrowsecurity AND relforcerowsecurity
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A schema as it is.

    Attributes:
        revision: what the database says it has; None when it is empty.
        head: what this release needs.
        problems: what is not as declared, in words; looked at only in a schema of this release.
    """

    revision: str | None
    head: str
    problems: Sequence[str] = ()

    @property
    def state(self) -> str:
        """`empty`, `current`, `older` or `newer`, which an older release cannot use."""
        if self.revision is None:
            return "empty"
        if self.revision == self.head:
            return "current"
        return "older" if self.revision < self.head else "newer"


async def look(url: str, metadata: MetaData, migrations: str) -> Standing:
    """Returns the standing of the database at `url`. Arguments as for `open_database`.

    Raises:
        Unavailable: it cannot be reached or read.
    """
    if url.startswith(SQLITE):
        return await asyncio.to_thread(_look_at_file, Path(url.removeprefix(SQLITE)), metadata, migrations)
    from quarterdeck.common.database.address import read_address
    from quarterdeck.common.database.postgres import PostgresDatabase

    database = PostgresDatabase(read_address(url))
    try:
        return await database.read(_look, metadata, migrations)
    finally:
        await database.close()


def _look_at_file(path: Path, metadata: MetaData, migrations: str) -> Standing:
    if not path.exists():
        return Standing(None, head_of(migrations))
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            return _look(connection, metadata, migrations)
    except DBAPIError as error:
        raise Unavailable(f"the database file {path} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def _look(connection: Connection, metadata: MetaData, migrations: str) -> Standing:
    revision, head = current_revision(connection), head_of(migrations)
    problems = _problems(connection, metadata) if revision == head else []
    return Standing(revision, head, problems)


def _problems(connection: Connection, metadata: MetaData) -> list[str]:
    found = inspect(connection)
    present = set(found.get_table_names())
    problems = [f"table {name} is missing" for name in sorted(set(metadata.tables) - present)]
    for name in sorted(set(metadata.tables) & present):
        table = metadata.tables[name]
        columns = {str(column["name"]) for column in found.get_columns(name)}
        problems += [
            f"column {name}.{column.name} is missing" for column in table.c if column.name not in columns
        ]
        indexes = {index["name"] for index in found.get_indexes(name)}
        wanted = {str(index.name) for index in table.indexes if index.name}
        problems += [f"index {index} of {name} is missing" for index in sorted(wanted - indexes)]
    if connection.dialect.name == "postgresql":
        forced = set(connection.execute(text(_FORCED)).scalars())
        protected = {name for name, table in metadata.tables.items() if PROTECTED in table.info}
        problems += [f"row-level security of {name} is not forced" for name in sorted(protected - forced)]
    return problems
