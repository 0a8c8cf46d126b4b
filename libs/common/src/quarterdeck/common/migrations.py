"""Schema revisions: a fresh database gets today's tables, an older one is migrated by Alembic.

Alembic is imported only when there is something to migrate: a start with an up-to-date
database does not pay for it.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from sqlalchemy import Connection, MetaData, inspect, text

from quarterdeck.common.errors import Unavailable


def bring_up_to_date(connection: Connection, metadata: MetaData, migrations: str) -> None:
    """Creates or migrates the tables of `metadata` in the caller's transaction.

    Args:
        connection: an open transaction.
        metadata: today's tables.
        migrations: package with `HEAD` (today's revision) and Alembic's `versions` folder
            beside it; empty for a database without history (tests).

    Raises:
        Unavailable: the database was written by a newer release.
    """
    if not migrations:
        metadata.create_all(connection)
        return
    package = importlib.import_module(migrations)
    head: str = package.HEAD
    present = current_revision(connection)
    if present == head:
        return
    if present is None:
        metadata.create_all(connection)
        _stamp(connection, head)
        return
    _upgrade(connection, Path(package.__file__ or "").parent, present, head)


def is_up_to_date(connection: Connection, migrations: str) -> bool:
    """Returns whether the database is at this release's revision."""
    return current_revision(connection) == head_of(migrations)


def head_of(migrations: str) -> str:
    """Returns this release's revision of a service's schema."""
    head: str = importlib.import_module(migrations).HEAD
    return head


def current_revision(connection: Connection) -> str | None:
    """Returns the schema revision that the database says it has, None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    value = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return str(value) if value is not None else None


def _stamp(connection: Connection, revision: str) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    )
    connection.exec_driver_sql("DELETE FROM alembic_version")
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:new)"), {"new": revision})


def _upgrade(connection: Connection, folder: Path, present: str, head: str) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(folder))
    known = {revision.revision for revision in script.walk_revisions()}
    if present not in known:
        raise Unavailable(
            f"the database has schema revision {present}, which this release does not know",
            hint="start the release that wrote it, or a newer one",
            reason="SchemaTooNew",
        )
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        for revision in reversed(list(script.iterate_revisions(head, present))):
            revision.module.upgrade()
    _stamp(connection, head)
