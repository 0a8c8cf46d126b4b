"""Databases on a PostgreSQL server, shared by any number of processes.

Writes of one process share commits: a write that comes while nothing else is under way begins at once;
what comes while others are under way is collected and goes together, each in its savepoint. How long a
collection waits for more adapts to what the last one found.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, text

from quarterdeck.common.database.address import Address
from quarterdeck.common.database.explain import DISK_FULL, REASONS, explain, is_contention, is_lost
from quarterdeck.common.database.ordering import place_of
from quarterdeck.common.database.pool import Pool
from quarterdeck.common.database.protocol import OutcomeUnknown
from quarterdeck.common.database.transactions import Transactions
from quarterdeck.common.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

log = structlog.get_logger("database")

# A server keeps 64 savepoints of a transaction at hand; more cost everybody.
MAX_SHARED_WRITES = 60
MAX_TOGETHER = 500
# Collections under way at once, and how many waiting writes make one more worth it.
LANES, WRITES_PER_LANE = 4, 16
# Callers that are answered at once: each goes on until it waits again, and the loop has others to serve.
ANSWERS = 16
# Seconds that a collection waits for more at most.
LONGEST_WAIT = 0.002
# How often a write that others stood in the way of is tried alone.
TRIES = 4


@dataclass(slots=True, eq=False)
class _Write:
    """One caller's write: a function, or an item for a function that takes many; its answer and place."""

    function: Callable[..., Any]
    answer: asyncio.Future[Any]
    item: Any = None
    place: str = ""


# What may go together: None for plain writes, else the function that takes many items.
_Kind = Callable[..., Any] | None


class PostgresDatabase:
    """See `Database`. Belongs to the event loop it was made in.

    Args:
        lanes: collections of writes under way at once.
    """

    shared = True

    def __init__(self, address: Address, role: str = "", lanes: int = LANES) -> None:
        self._address = address
        self._most_lanes = lanes
        self._pool = Pool(address, role)
        self._transactions = Transactions(self._pool, address.name, self._works)
        self._waiting: OrderedDict[_Kind, deque[_Write]] = OrderedDict()
        self._lanes: set[asyncio.Task[None] | None] = set()
        # Collections whose callers are being answered.
        self._answering = 0
        self._closed = False
        self._away = ""

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.write`."""

        def call(connection: Connection) -> T:
            return function(connection, *args, **kw)

        result: T = await self._enqueue(None, _Write(call, _answer(), place=place_of(function)))
        return result

    async def write_together(
        self, function: Callable[[Connection, Sequence[Item]], Sequence[T | Exception]], item: Item
    ) -> T:
        """See `Database.write_together`."""
        result: T = await self._enqueue(function, _Write(function, _answer(), item))
        return result

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """See `Database.read`."""
        self._require_open()
        try:
            try:
                return await self._transactions.read(function, *args, **kw)
            except Exception as error:
                if not is_lost(error):
                    raise
            self._pool.drop_idle()
            return await self._transactions.read(function, *args, **kw)
        except Exception as error:
            raise self._explained(error) from error

    async def check(self) -> None:
        """See `Database.check`."""
        full = self._away == DISK_FULL
        await self.write(_require_room if full else _require_writable, self._address.name)
        self._noticed("")

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        while self._lanes:
            await asyncio.wait([lane for lane in self._lanes if lane is not None])
        await self._pool.close()

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable(f"database {self._address.name} is closed")

    # -- sharing ---------------------------------------------------------------------------------

    def _enqueue(self, kind: _Kind, write: _Write) -> asyncio.Future[Any]:
        self._require_open()
        self._waiting.setdefault(kind, deque()).append(write)
        if not self._answering:  # else its lane takes what comes meanwhile, all of it together
            self._open_lane()
        return write.answer

    def _open_lane(self) -> None:
        waiting = sum(map(len, self._waiting.values()))
        if len(self._lanes) < self._most_lanes and waiting > len(self._lanes) * WRITES_PER_LANE:
            self._lanes.add(asyncio.create_task(self._lane(), name="database-lane"))

    async def _lane(self) -> None:
        """Runs one collection after the other until nothing waits any more."""
        size, seconds = 1, 0.0
        try:
            while True:
                if size > 1:  # there were many just now: those that were answered may come again
                    await asyncio.sleep(min(LONGEST_WAIT, seconds / 4))
                if not self._waiting:
                    return
                kind, batch = self._collect()
                began = time.monotonic()
                await self._settle(kind, batch)
                size, seconds = len(batch), time.monotonic() - began
        finally:
            # At once, not when the task is seen to be done: who comes in between needs a lane.
            self._lanes.discard(asyncio.current_task())

    def _collect(self) -> tuple[_Kind, list[_Write]]:
        kind, queue = next(iter(self._waiting.items()))
        most = MAX_SHARED_WRITES if kind is None else MAX_TOGETHER
        batch = [queue.popleft() for _ in range(min(most, len(queue)))]
        # The kinds take turns.
        del self._waiting[kind]
        if queue:
            self._waiting[kind] = queue
        return kind, batch

    async def _settle(self, kind: _Kind, batch: list[_Write]) -> None:
        """Runs a collection and answers its callers, whatever happens."""
        if self._away:
            self._pool.drop_idle()
        try:
            try:
                await self._run(kind, batch)
            except Exception as error:
                if not is_lost(error):
                    raise
                self._pool.drop_idle()
                await self._run(kind, batch)  # nothing was committed; another connection may do
        except Exception as error:
            explained = self._explained(error)
            for write in batch:
                _fail(write, explained)
        except BaseException:
            for write in batch:
                write.answer.cancel()
            raise

    async def _run(self, kind: _Kind, batch: list[_Write]) -> None:
        if kind is not None:
            again = await self._together(kind, batch)
        else:
            again = batch if len(batch) == 1 else await self._shared(batch)
        if again:  # this lane is busy with them for a while
            self._open_lane()
        for write in again:
            await self._alone(kind, write)

    async def _shared(self, batch: list[_Write]) -> list[_Write]:
        """Runs plain writes in one transaction; returns those that are to be tried alone."""
        batch = sorted(batch, key=lambda write: write.place)
        outcomes = await self._transactions.shared([write.function for write in batch])
        again: list[_Write] = []
        written: list[tuple[_Write, Any]] = []
        for write, outcome in zip(batch, outcomes, strict=True):
            if outcome.error is None:
                written.append((write, outcome.value))
            elif is_contention(outcome.error):
                again.append(write)
            else:
                _fail(write, self._explained(outcome.error))
        await self._hand_out(written, _succeed)
        return again

    async def _together(self, function: Callable[..., Any], batch: list[_Write]) -> list[_Write]:
        """Runs a function of many items; returns those that are to be tried alone."""
        try:
            results = await self._transactions.by_itself(function, [write.item for write in batch])
        except Exception as error:
            if isinstance(error, OutcomeUnknown) or is_lost(error) or len(batch) == 1:
                raise
            return batch
        await self._hand_out(list(zip(batch, results, strict=True)), _settle)
        return []

    async def _hand_out(
        self, answers: Sequence[tuple[_Write, Any]], give: Callable[[_Write, Any], None]
    ) -> None:
        """Answers callers, a few in each turn of the event loop."""
        left = iter(answers)
        self._answering += 1
        try:
            for place, (write, result) in enumerate(left, 1):
                give(write, result)
                if place % ANSWERS == 0:
                    await asyncio.sleep(0)
        finally:
            self._answering -= 1
            for write, result in left:  # what was written was written, also if this task is ended here
                give(write, result)

    async def _alone(self, kind: _Kind, write: _Write) -> None:
        """Runs one write in a transaction of its own, again if others stand in its way."""
        for attempt in range(TRIES):
            try:
                if kind is not None:
                    await self._together(kind, [write])
                else:
                    _succeed(write, await self._transactions.single(write.function))
                return
            except Exception as error:
                if is_lost(error):
                    raise
                if attempt == TRIES - 1 or not is_contention(error):
                    _fail(write, self._explained(error))
                    return
            await asyncio.sleep(random.uniform(0.0, 0.02 * 2**attempt))

    # -- errors ----------------------------------------------------------------------------------

    def _explained(self, error: Exception) -> Exception:
        explained = explain(error, self._address.name)
        if isinstance(explained, Unavailable) and explained.reason in REASONS:
            self._pool.drop_idle()  # perhaps another server answers at this address by now
            self._noticed(explained.reason, explained.message)
        return explained

    def _works(self) -> None:
        if self._away != DISK_FULL:  # then what needs no room goes on, and says nothing about the rest
            self._noticed("")

    def _noticed(self, reason: str, message: str = "") -> None:
        """Says once that something is wrong, and once that it is over."""
        if reason == self._away:
            return
        self._away = reason
        if reason:
            log.error("database.failed", database=self._address.name, reason=reason, message=message)
        else:
            log.info("database.works_again", database=self._address.name)


def _answer() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _settle(write: _Write, result: Any) -> None:
    if isinstance(result, Exception):
        _fail(write, result)
    else:
        _succeed(write, result)


def _succeed(write: _Write, result: Any) -> None:
    if not write.answer.done():
        write.answer.set_result(result)


def _fail(write: _Write, error: BaseException) -> None:
    if not write.answer.done():
        write.answer.set_exception(error)


def _require_room(connection: Connection, name: str) -> None:
    """Takes some room where the tables are, and gives it back."""
    _require_writable(connection, name)
    connection.execute(text("CREATE TEMPORARY TABLE room (filler text) ON COMMIT DROP"))
    connection.execute(text("INSERT INTO room SELECT repeat('x', 1000) FROM generate_series(1, 100)"))


def _require_writable(connection: Connection, name: str) -> None:
    """Takes a transaction number, which a standby and a read-only session refuse."""
    if connection.execute(text("SELECT current_setting('transaction_read_only')")).scalar() == "on":
        raise Unavailable(
            f"the database {name} cannot be written: it is read-only", reason="ReadOnlyDatabase"
        )
    connection.execute(text("SELECT pg_current_xact_id()"))
