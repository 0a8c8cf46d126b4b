"""Transactions on PostgreSQL: how a store function, or many of them, become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from quarterdeck.common.database.explain import is_lost
from quarterdeck.common.database.pool import Link, Pool
from quarterdeck.common.database.protocol import OutcomeUnknown
from quarterdeck.common.database.tenancy import SETTING

P = ParamSpec("P")
T = TypeVar("T")

_BEGIN, _COMMIT = "BEGIN", "COMMIT"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SAVE = f"SAVEPOINT w; SELECT set_config('{SETTING}', '', true)"
_SAVE_NEXT = f"RELEASE SAVEPOINT w; {_SAVE}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: a value, or an error that is no fault of the connection."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        """Returns the value, or raises the error."""
        if self.error is not None:
            raise self.error
        return self.value


async def _attempt(link: Link, function: Callable[[Connection], Any]) -> Outcome:
    """Calls a store function. Raises only when the connection is lost."""
    link.forget_tenant()
    try:
        return Outcome(await link.connection.run_sync(function))
    except Exception as error:
        if is_lost(error) or not link.is_open:
            raise
        return Outcome(error=error)


class Transactions:
    """Runs store functions. Every method raises what is wrong with the connection as the driver says it.

    Args:
        name: the database in words.
        works: called when something was committed.
    """

    def __init__(self, pool: Pool, name: str, works: Callable[[], None]) -> None:
        self._pool = pool
        self._name = name
        self._works = works

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Runs a function that only reads, on one snapshot."""
        async with self._pool.link() as link:
            await link.tell(self._pool.prologue(_BEGIN_READ))
            outcome = await _attempt(link, lambda connection: function(connection, *args, **kw))
            await link.tell("ROLLBACK")
        result: T = outcome.result()
        return result

    async def single(self, function: Callable[[Connection], Any]) -> Any:
        """Runs a function in a transaction of its own."""
        async with self._pool.link() as link:
            await link.tell(self._pool.prologue(_BEGIN))
            outcome = await _attempt(link, function)
            if outcome.error is None:
                await self._commit(link)
                self._works()
            else:
                await link.tell("ROLLBACK")
        return outcome.result()

    async def shared(self, functions: Sequence[Callable[[Connection], Any]]) -> list[Outcome]:
        """Runs several functions in one transaction; one that fails is undone alone."""
        outcomes: list[Outcome] = []
        async with self._pool.link() as link:
            for position, function in enumerate(functions):
                await link.tell(_SAVE_NEXT if position else f"{self._pool.prologue(_BEGIN)}; {_SAVE}")
                outcomes.append(await _attempt(link, function))
                if outcomes[-1].error is not None:
                    await link.tell("ROLLBACK TO SAVEPOINT w")
            await self._commit(link)
        if any(outcome.error is None for outcome in outcomes):
            self._works()
        return outcomes

    async def by_itself(self, function: Callable[..., Any], items: list[Any]) -> Sequence[Any]:
        """Calls a function that makes one statement: without a pooler it needs no BEGIN and no COMMIT."""
        if self._pool.is_pooled:
            pooled: Sequence[Any] = await self.single(lambda connection: function(connection, items))
            return pooled
        async with self._pool.link() as link:
            try:
                outcome = await _attempt(link, lambda connection: function(connection, items))
            except Exception as error:
                raise _unknown(self._name) from error
        results: Sequence[Any] = outcome.result()
        self._works()
        return results

    async def _commit(self, link: Link) -> None:
        try:
            await link.tell(_COMMIT)
        except Exception as error:
            if is_lost(error) or not link.is_open:
                raise _unknown(self._name) from error
            raise


def _unknown(name: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the database {name} went away during a commit; it may have been made",
        hint="the platform looks at what is there before it goes on",
        reason="OutcomeUnknown",
    )
