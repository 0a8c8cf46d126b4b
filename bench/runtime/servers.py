"""The servers of the comparison: one PostgreSQL and one RabbitMQ with throw-away data, for every side.

PostgreSQL has Debian's defaults and `fsync=on`. Every side has a database of its own, owned by a role that is
no superuser, so that row-level security holds for whoever uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from hack.services import Postgres, RabbitMQ

SIDES = Path(__file__).parent.parent / "sides"
ROLE, PASSWORD = "bench", "bench"
ADDED_MS = 1.0


@dataclass(slots=True)
class Servers:
    """Where they are. `database` makes one of them a new database."""

    postgres: Postgres
    folder: Path
    slow_port: int
    made: set[str] = field(default_factory=set)

    def database(self, name: str, *, slow: bool = False) -> str:
        """Returns the URL of the database `name`, empty the first time; through the slow proxy if asked."""
        if name not in self.made:
            asyncio.run(self._execute(f'CREATE DATABASE "{name}" OWNER {ROLE}'))
            self.made.add(name)
        port = self.slow_port if slow else self.postgres.port
        return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{name}"

    def admin(self) -> str:
        """Returns the superuser's URL."""
        return self.postgres.url

    def make_role(self) -> None:
        """Makes the role of every side."""
        asyncio.run(self._execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS"))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Starts PostgreSQL and the slow proxy before it, and removes everything at the end."""
    os.environ["QD_SERVICES_FSYNC"] = "on"
    with folder() as place:
        postgres = Postgres.create(place)
        try:
            with slow_proxy(postgres.url) as port:
                found = Servers(postgres, place, port)
                found.make_role()
                yield found
        finally:
            postgres.remove()


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """Starts RabbitMQ and yields its URL."""
    with folder() as place:
        broker = RabbitMQ.create(place)
        try:
            yield broker.url
        finally:
            broker.remove()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary directory that other accounts may pass through: the servers run as such."""
    made = Path(tempfile.mkdtemp(prefix="bench-runtime-"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def slow_proxy(url: str) -> Iterator[int]:
    """Runs the proxy that adds a millisecond to each round trip; yields its port."""
    port = str(urlsplit(url).port)
    command = [sys.executable, str(SIDES / "slow_proxy.py"), "127.0.0.1", port, str(ADDED_MS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)
