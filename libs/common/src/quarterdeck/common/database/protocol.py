"""What stores need of a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from quarterdeck.common.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class OutcomeUnknown(Unavailable):
    """The connection was lost during a commit: it was made, or not, or will be in a moment.

    Whoever called must look at what is there before it decides.
    """


class Database(Protocol):
    """Runs store functions: plain functions over a connection that wait for nothing else.

    Attributes:
        shared: other processes may write to it too.
    """

    shared: bool

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Runs `function(connection, *args)` in a transaction that is durable when this returns.

        It may be run again after it was undone: its only effects are those on the database.

        Raises:
            Unavailable: nothing was written.
            OutcomeUnknown: something may have been.
        """

    async def write_together(
        self, function: Callable[[Connection, Sequence[Item]], Sequence[T | Exception]], item: Item
    ) -> T:
        """Writes `item` by a call that may take the items of other callers along, in one statement.

        Args:
            function: makes one statement of any number of items, and returns what became of each; an
                exception is raised to the caller of its item. If it raises one itself, it has done
                nothing, and is called again with each item alone.

        Raises:
            Unavailable, OutcomeUnknown: as `write`.
        """

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Runs `function(connection, *args)` on a consistent snapshot; it may not write."""

    async def check(self) -> None:
        """Raises Unavailable if the database cannot be read and written."""

    async def close(self) -> None:
        """Waits for writes under way, then closes."""
