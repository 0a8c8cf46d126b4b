"""Pytest fixtures of databases.

`postgres_database` is a fresh one on the session's server, dropped after the test; `database_url` runs the
same test once on SQLite and once on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest


def administer(url: str, *commands: str) -> None:
    """Runs SQL commands on the server of `url`, each by itself. Works beside a running event loop too."""
    problems: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(_execute(url, commands))
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]


async def _execute(url: str, commands: tuple[str, ...]) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        for command in commands:
            await connection.execute(command)
    finally:
        await connection.close()


def beside(url: str, database: str) -> str:
    """Returns the URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of an empty database, as a superuser."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    administer(postgres_url, f"CREATE DATABASE {name}")
    yield beside(postgres_url, name)
    administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of each dialect in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return f"{url}?schema=test"
