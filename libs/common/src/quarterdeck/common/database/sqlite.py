"""Databases in SQLite files.

One thread writes: what callers ask for while a commit is under way shares the next one, each in a
savepoint, so a hundred concurrent runs pay for one fsync. Readers have connections of their own (WAL).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from quarterdeck.common.errors import QuarterdeckError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

# Callers that share one commit at most; keeps a commit short enough for the next ones in line.
MAX_SHARED_WRITES = 256
READERS = 3


@dataclass(slots=True)
class _Write:
    """One caller's write and where its answer goes."""

    function: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class SqliteDatabase:
    """SQLite in WAL mode with `synchronous=FULL`: a commit that returned survives power loss."""

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path, read_only=False)
        self._read_engine = _engine(path, read_only=True)
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"read-{path.stem}")
        self._local = threading.local()
        self._read_connections: list[Connection] = []
        self._writer = threading.Thread(target=self._write_loop, name=f"write-{path.stem}", daemon=True)
        self._closed = False
        self._writer.start()

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.write`."""
        if self._closed:
            raise Unavailable(f"database {self.path.name} is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._writes.put(_Write(lambda connection: function(connection, *args, **kw), future, loop))
        return await future

    async def write_together(
        self, function: Callable[[Connection, Sequence[Item]], Sequence[T | Exception]], item: Item
    ) -> T:
        """See `Database.write_together`. Here a call has one item; the commit is shared all the same."""
        (result,) = await self.write(function, [item])
        if isinstance(result, Exception):
            raise result
        return result

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.read`."""
        if self._closed:
            raise Unavailable(f"database {self.path.name} is closed")

        def call() -> T:
            with _translated(self.path):
                connection, driver = self._reading()
                driver.execute("BEGIN")
                try:
                    return function(connection, *args, **kw)
                finally:
                    if driver.in_transaction:
                        driver.execute("ROLLBACK")

        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    def _reading(self) -> tuple[Connection, Any]:
        """Returns the connection of this reading thread, and the driver's own below it."""
        if not hasattr(self._local, "pair"):
            connection = self._read_engine.connect()
            self._local.pair = connection, connection.connection.dbapi_connection
            self._read_connections.append(connection)
        pair: tuple[Connection, Any] = self._local.pair
        return pair

    async def check(self) -> None:
        """See `Database.check`."""
        await self.write(_touch)

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown(wait=True)
        for connection in self._read_connections:
            connection.close()
        self._engine.dispose()
        self._read_engine.dispose()

    def _write_loop(self) -> None:
        with self._engine.connect() as connection:
            # The driver's own connection begins and ends transactions: that costs a tenth.
            driver: Any = connection.connection.dbapi_connection
            while (batch := self._next_batch()) is not None:
                _run_batch(connection, driver, batch, self.path)
                _answer(batch)

    def _next_batch(self) -> list[_Write] | None:
        first = self._writes.get()
        if first is None:
            return None
        batch = [first]
        with contextlib.suppress(queue.Empty):
            while len(batch) < MAX_SHARED_WRITES:
                item = self._writes.get_nowait()
                if item is None:
                    self._writes.put(None)
                    break
                batch.append(item)
        return batch


def _run_batch(connection: Connection, driver: Any, batch: list[_Write], path: Path) -> None:
    """Runs the writes in one transaction; a write that fails is undone alone."""
    try:
        with _translated(path):
            driver.execute("BEGIN IMMEDIATE")
            for write in batch:
                _run_in_savepoint(connection, driver, write, path)
            driver.execute("COMMIT")
    except BaseException as error:  # whatever it was, every caller of this commit must hear of it
        with contextlib.suppress(Exception):
            driver.execute("ROLLBACK")
        for write in batch:
            write.error = error


def _run_in_savepoint(connection: Connection, driver: Any, write: _Write, path: Path) -> None:
    driver.execute("SAVEPOINT w")
    try:
        with _translated(path):
            write.result = write.function(connection)
    except BaseException as error:
        write.error = error
        driver.execute("ROLLBACK TO w")
    driver.execute("RELEASE w")


def _answer(batch: list[_Write]) -> None:
    """Wakes the callers, with one hop for each event loop among them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in batch:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(_resolve, writes)


def _resolve(writes: list[_Write]) -> None:
    for write in writes:
        if write.future.done():
            continue
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.result)


def _engine(path: Path, *, read_only: bool) -> Engine:
    # AUTOCOMMIT leaves BEGIN and COMMIT to us; the driver would otherwise begin late and deferred.
    engine = create_engine(
        f"sqlite:///{path}",
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": 10, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA cache_size=-16000")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    return engine


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turns a driver's error into one that says what and where."""
    try:
        yield
    except QuarterdeckError:
        raise
    except (sqlite3.DatabaseError, DBAPIError) as error:
        raise _explain(error, path) from error


def _explain(error: Exception, path: Path) -> Exception:
    text = str(getattr(error, "orig", error))
    if "disk is full" in text or "disk I/O error" in text:
        problem = "is full" if "full" in text else f"is full or does not work ({text})"
        return Unavailable(
            f"the disk that holds {path} {problem}",
            hint="free some space; the platform goes on by itself",
            reason="DiskFull",
        )
    if "malformed" in text or "not a database" in text:
        return Unavailable(
            f"the database file {path} is corrupt: {text}",
            hint="stop the platform, move the file away and restore it from a backup",
            reason="CorruptDatabase",
        )
    if "readonly" in text or "read-only" in text:
        return Unavailable(f"the database file {path} cannot be written: {text}", reason="ReadOnlyDatabase")
    if isinstance(getattr(error, "orig", error), sqlite3.OperationalError):
        return Unavailable(f"the database {path} failed: {text}", reason="DatabaseFailed")
    return error


def _touch(connection: Connection) -> None:
    """Writes, and changes nothing: a transaction alone would not show that the disk is full."""
    connection.exec_driver_sql("PRAGMA user_version = 0")


def open_file(path: Path) -> SqliteDatabase:
    """Opens a database file, or makes one. Raises Unavailable if it is corrupt or cannot be read."""
    with _translated(path):
        probe = sqlite3.connect(path)
        try:
            probe.execute("PRAGMA schema_version").fetchone()
            problem = (
                probe.execute("PRAGMA quick_check(1)").fetchone() if path.stat().st_size < 1 << 24 else None
            )
        finally:
            probe.close()
    if problem is not None and problem[0] != "ok":
        raise _explain(sqlite3.DatabaseError(f"malformed: {problem[0]}"), path)
    return SqliteDatabase(path)
