"""Opening a database by its URL."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import MetaData

from quarterdeck.common.database.protocol import Database
from quarterdeck.common.errors import Unavailable

SQLITE, POSTGRES = "sqlite:///", ("postgresql://", "postgres://")


async def open_database(url: str, metadata: MetaData, migrations: str = "") -> Database:
    """Opens the database at `url` and brings its schema up to date.

    Args:
        url: `sqlite:///<path>`, or `postgresql://user:password@host:port/database?schema=<name>`.
        metadata: the service's tables. A fresh database gets them all at once.
        migrations: import path of the package with the service's Alembic history, used
            when the database holds an older revision. See `quarterdeck.common.migrations`.

    Raises:
        Unavailable: the database cannot be reached, is corrupt, not writable, or of a newer schema.
    """
    if url.startswith(SQLITE):
        return await _open_file(Path(url.removeprefix(SQLITE)), metadata, migrations)
    if url.startswith(POSTGRES):
        from quarterdeck.common.database.address import read_address
        from quarterdeck.common.database.provision import open_server

        return await open_server(read_address(url), metadata, migrations)
    raise Unavailable(f"no adapter for the database URL {url.split(':', 1)[0]}://…", field="database_url")


async def _open_file(path: Path, metadata: MetaData, migrations: str) -> Database:
    from quarterdeck.common.database.sqlite import open_file
    from quarterdeck.common.migrations import bring_up_to_date

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = await asyncio.to_thread(open_file, path)
    try:
        await database.write(bring_up_to_date, metadata, migrations)
    except BaseException:
        await database.close()
        raise
    return database
