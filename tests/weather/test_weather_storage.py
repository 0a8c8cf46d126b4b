"""A database server that takes nothing more, full or read-only: said once, and what needs no room goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, func, insert, select
from structlog.testing import capture_logs
from weather_kit.serving import serve

from hack.services import Postgres
from hack.services.databases import administer, beside
from quarterdeck.common.database import Database, open_database
from quarterdeck.common.errors import Unavailable

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("filler", Text))


def add(connection: Connection, size: int) -> None:
    connection.execute(insert(THINGS).values(filler=os.urandom(size // 2).hex()))


def count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(THINGS)).scalar_one())


@pytest.fixture
def disk(server: Postgres) -> Iterator[Path]:
    """A file system of 64 MiB with a database on it, called `full`."""
    folder = server.directory / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a full database: mounting a small file system needs root")
    try:
        (space := folder / "space").mkdir()
        subprocess.run(["chown", f"{Postgres.user()}:", str(space)], check=True)
        administer(server.url, f"CREATE TABLESPACE small LOCATION '{space}'")
        administer(server.url, "CREATE DATABASE full_one TABLESPACE small")
        yield folder
        administer(server.url, "DROP DATABASE full_one WITH (FORCE)", "DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """No byte is free inside the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
async def database(server: Postgres, disk: Path) -> AsyncIterator[Database]:
    database = await open_database(beside(server.url, "full_one"), METADATA)
    yield database
    await database.close()


async def test_a_full_database_is_said_once_read_from_and_recovered_from(
    database: Database, disk: Path
) -> None:
    await database.write(add, 100)
    with capture_logs() as logs:
        with full(disk):
            for _ in range(3):
                with pytest.raises(Unavailable, match="has no space left"):
                    for _ in range(1000):  # pages that exist already have some room
                        await database.write(add, 2000)
                assert await database.read(count) > 0
                with pytest.raises(Unavailable, match="has no space left"):
                    await database.check()
        assert [entry["event"] for entry in logs] == ["database.failed"]
        assert logs[0]["reason"] == "DiskFull"
        await database.check()
        await database.check()
        assert [entry["event"] for entry in logs] == ["database.failed", "database.works_again"]
    await database.write(add, 2000)


def test_a_service_on_a_read_only_server_says_so_and_goes_on_by_itself(
    server: Postgres, tmp_path: Path
) -> None:
    administer(server.url, "CREATE DATABASE standby")
    url = beside(server.url, "standby")
    with serve("registry", tmp_path, url) as served:
        served.wait_until_well()
        administer(
            server.url, "ALTER DATABASE standby SET default_transaction_read_only = on", _leave("standby")
        )
        served.wait_for_problem("read-only")
        time.sleep(1.0)
        served.health()
        administer(
            server.url, "ALTER DATABASE standby RESET default_transaction_read_only", _leave("standby")
        )
        served.wait_until_well()
        reasons = [line["reason"] for line in served.events("database.failed")]
        assert reasons.count("ReadOnlyDatabase") == 1
        assert served.events("database.works_again")
    assert asyncio.run(_writable(url))


def _leave(database: str) -> str:
    return (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    )


async def _writable(url: str) -> bool:
    database = await open_database(url, METADATA)
    await database.write(add, 10)
    await database.close()
    return True
