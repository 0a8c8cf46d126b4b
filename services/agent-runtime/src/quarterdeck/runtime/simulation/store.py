"""The simulated database: the real store functions over one SQLite in memory that all workers share.

A write is atomic and happens at one moment, between the question and the answer; which moment, and what
the asker is told of it, is the adversary's choice.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from quarterdeck.common.database import OutcomeUnknown
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.simulation import adversary as adv
from quarterdeck.runtime.simulation.adversary import Adversary
from quarterdeck.runtime.simulation.loop import SimulatedLoop
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.together import Batch
from quarterdeck.runtime.tables import CLOSURES, DEFINITIONS, METADATA

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

# Looks at a write before it is made, and returns what is to look at it afterwards.
Witness = Callable[[Process, Callable[..., Any], tuple[Any, ...]], Callable[[Any], None] | None]

_KEPT = {DEFINITIONS.name, CLOSURES.name}
_EMPTIED = [f"DELETE FROM {table.name}" for table in METADATA.sorted_tables if table.name not in _KEPT]


class SharedStore:
    """One database for a seed; emptied, not made anew, for the next one. Pinned definitions stay."""

    def __init__(self) -> None:
        engine = create_engine(
            "sqlite://",
            isolation_level="AUTOCOMMIT",
            poolclass=StaticPool,
            connect_args={"check_same_thread": False, "cached_statements": 512},
        )
        METADATA.create_all(engine)
        _drop_indexes(engine)
        self.connection: Connection = engine.connect()
        driver: Any = self.connection.connection.dbapi_connection
        self.driver: sqlite3.Connection = driver

    def clear(self) -> None:
        """Forgets every run."""
        for statement in _EMPTIED:
            self.driver.execute(statement)

    def transact(self, function: Callable[..., T], *args: Any, **kw: Any) -> T:
        """Runs a store function in a transaction. Raises what it raises."""
        self.driver.execute("BEGIN")
        try:
            result = function(self.connection, *args, **kw)
        except BaseException:
            self.driver.execute("ROLLBACK")
            raise
        self.driver.execute("COMMIT")
        return result

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks in SQL, for those who watch."""
        return self.driver.execute(statement, values).fetchall()


def _drop_indexes(engine: Engine) -> None:
    """Drops the indexes that only make queries fast: with a few rows they only make writes slow."""
    with engine.connect() as connection:
        for table in METADATA.sorted_tables:
            for index in table.indexes:
                if not index.unique:
                    index.drop(connection)


class StoreHandle:
    """One process's connection to the store. See `quarterdeck.common.database.Database`.

    When its process is dead, nothing that is asked of it happens.
    """

    shared = True

    def __init__(
        self,
        store: SharedStore,
        loop: SimulatedLoop,
        process: Process,
        adversary: Adversary,
        witness: Witness,
    ) -> None:
        self._store = store
        self._loop = loop
        self._process = process
        self._adversary = adversary
        self._witness = witness
        self._batches: dict[Callable[..., Any], Batch] = {}

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.write`."""
        fate = self._adversary.write(function.__name__)
        delay = self._adversary.delay()
        late = self._adversary.long_delay() if fate in (adv.HANG, adv.ZOMBIE) else 0.0
        answer = self._question()
        if fate == adv.FAIL:
            self._loop.world_later(delay, self._answer, answer, _broken("nothing was written"))
        elif fate == adv.ZOMBIE:
            self._loop.world_later(delay, self._answer, answer, _unanswered())
            self._loop.world_later(delay + late, self._write, None, "", 0.0, function, args, kw)
        else:
            begins = delay + late * self._adversary.chance.random()
            self._loop.world_later(begins, self._write, answer, fate, late, function, args, kw)
        result: T = await answer
        return result

    async def write_together(
        self, function: Callable[[Connection, Sequence[Item]], Sequence[T | Exception]], item: Item
    ) -> T:
        """See `Database.write_together`."""
        fate, answer = self._adversary.write(function.__name__), self._question()
        if function not in self._batches:
            self._batches[function] = Batch(function)
            self._loop.world_later(self._adversary.delay(), self._send, function)
        self._batches[function].add(item, answer, fate)
        result: T = await answer
        return result

    def _send(self, function: Callable[..., Any]) -> None:
        """Sends a batch on its way, unless its process cannot do that now, or never."""
        wait = self._process.frozen_until - self._loop.time() if self._process.is_frozen else 0.0
        if wait > 0:
            self._loop.world_later(wait, self._send, function)
        elif self._process.is_alive:
            self._decide(self._batches.pop(function))

    def _decide(self, batch: Batch) -> None:
        adversary = self._adversary
        late = adversary.long_delay() if batch.fate in (adv.HANG, adv.ZOMBIE) else 0.0
        if batch.fate in (adv.FAIL, adv.ZOMBIE):
            told = _unanswered() if batch.fate == adv.ZOMBIE else _broken("nothing was written")
            for answer in batch.answers:
                self._answer(answer, told)
        if batch.fate != adv.FAIL:
            begins = late * (1.0 if batch.fate == adv.ZOMBIE else adversary.chance.random())
            self._loop.world_later(begins, self._write_together, batch, late)

    def _write_together(self, batch: Batch, late: float) -> None:
        aside = batch.set_aside([self._adversary.is_busy() for _ in batch.items])
        seen = self._witness(self._process, batch.function, (batch.items,))
        results = [self._translated(one) for one in batch.write(self._store.transact)]
        if seen is not None:
            seen(results)
        lost = batch.fate == adv.LOST
        told = [
            (answer, _unanswered() if lost else one)
            for answer, one in zip(batch.answers, results, strict=True)
        ]
        for answer, result in (*aside, *told):
            if batch.fate:
                self._loop.world_later(late + self._adversary.delay(), self._answer, answer, result)
            else:
                self._answer(answer, result)

    def _question(self) -> asyncio.Future[Any]:
        if not self._process.is_alive or self._loop.current is not self._process:
            raise Unavailable("the process is dead")
        return self._loop.create_future()

    def _write(
        self,
        answer: asyncio.Future[Any] | None,
        fate: str,
        late: float,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        seen = self._witness(self._process, function, args)
        try:
            result = self._store.transact(function, *args, **kw)
        except Exception as error:
            result = self._translated(error)
        else:
            if seen is not None:
                seen(result)
        if answer is None:
            return
        if fate == adv.LOST:
            result = _unanswered()
        if fate:
            self._loop.world_later(late + self._adversary.delay(), self._answer, answer, result)
        else:
            self._answer(answer, result)

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.read`."""
        fate = self._adversary.read(function.__name__)
        delay = self._adversary.delay()
        answer = self._question()
        if fate == adv.FAIL:
            self._loop.world_later(delay, self._answer, answer, _broken("nothing was read"))
        else:
            late = self._adversary.long_delay() if fate else 0.0
            self._loop.world_later(delay, self._read, answer, late, function, args, kw)
        result: T = await answer
        return result

    def _read(
        self,
        answer: asyncio.Future[Any],
        late: float,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        if not self._process.is_alive:
            return
        try:
            result: Any = function(self._store.connection, *args, **kw)
        except Exception as error:
            result = self._translated(error)
        if late:
            self._loop.world_later(late, self._answer, answer, result)
        else:
            self._answer(answer, result)

    def _answer(self, answer: asyncio.Future[Any], result: Any) -> None:
        self._loop.settle(self._process, answer, result)

    def _translated(self, error: Any) -> Any:
        """Returns a driver's error as the real adapter gives it; what is no error of a driver, as it is.

        This database fails only where the adversary says so: that it did is a defect of the statement.
        """
        if isinstance(getattr(error, "orig", error), sqlite3.OperationalError):
            self._loop.problems.append(f"a statement is wrong: {error}")
            return Unavailable(f"the database failed: {error}", reason="DatabaseFailed")
        return error

    async def check(self) -> None:
        """See `Database.check`."""

    async def close(self) -> None:
        """See `Database.close`."""


def _broken(what: str) -> Unavailable:
    return Unavailable(f"the connection broke, {what}", reason="Simulated")


def _unanswered() -> OutcomeUnknown:
    return OutcomeUnknown("the connection broke, and nobody knows", reason="Simulated")
