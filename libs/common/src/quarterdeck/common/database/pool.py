"""Connections to a PostgreSQL server: few, kept, and thrown away when anything is odd about them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from quarterdeck.common.database.address import Address
from quarterdeck.common.database.explain import explain, is_lost
from quarterdeck.common.database.tenancy import SETTING, forget_tenant
from quarterdeck.common.errors import Unavailable

# Seconds. A server that answers nothing for so long is taken for dead.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 5.0, 30.0
# How long a statement waits for a lock that somebody else holds, and how long the server keeps the locks
# of a client that fell silent in the middle of a transaction.
LOCK_TIMEOUT, SILENCE_TIMEOUT = "2s", "30s"


class Link:
    """One connection: for store functions (`connection`) and for plain commands (`tell`)."""

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        self.connection = connection
        self._driver = driver

    async def tell(self, commands: str) -> None:
        """Sends commands without parameters, several with semicolons between them, in one round trip."""
        await self._driver.execute(commands)

    @property
    def is_open(self) -> bool:
        """False once the connection is known to be gone."""
        return not self._driver.is_closed()

    def forget_tenant(self) -> None:
        """See `tenancy.forget_tenant`."""
        if self.connection.sync_connection is not None:
            forget_tenant(self.connection.sync_connection)

    async def drop(self) -> None:
        """Closes it for good, whatever state it is in."""
        with contextlib.suppress(Exception):
            self._driver.terminate()
        with contextlib.suppress(Exception):
            await self.connection.invalidate()
        with contextlib.suppress(Exception):
            await self.connection.close()


class Pool:
    """Up to `address.pool` connections.

    Args:
        role: works as this role instead of the login's own; empty: the login's.
    """

    def __init__(self, address: Address, role: str = "") -> None:
        self._address = address
        self._settings = {
            "search_path": address.schema,
            "lock_timeout": LOCK_TIMEOUT,
            "idle_in_transaction_session_timeout": SILENCE_TIMEOUT,
            # Queues are empty at one moment and full at the next: a plan that was made for the one, and is
            # kept, must not scan at the other.
            "enable_seqscan": "off",
        } | ({"role": role} if role else {})
        self._engine = create_async_engine(
            address.url,
            # BEGIN and COMMIT are ours, so that several commands share a round trip.
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args=self._connect_args(),
        )
        self._room = asyncio.Semaphore(address.pool)
        self._idle: list[Link] = []
        self._dropping: set[asyncio.Task[None]] = set()
        self._closed = False

    def _connect_args(self) -> dict[str, Any]:
        plain = {"timeout": CONNECT_TIMEOUT, "command_timeout": ANSWER_TIMEOUT}
        if not self._address.pooled:
            named = {"application_name": f"quarterdeck-{self._address.schema}"}
            return {**plain, "server_settings": {**self._settings, **named, "jit": "off"}}
        # Another client's statements and settings may be on the server's side of the next transaction.
        unnamed = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        return {**plain, **unnamed, "prepared_statement_name_func": lambda: ""}

    @property
    def is_pooled(self) -> bool:
        """See `Address.pooled`."""
        return self._address.pooled

    def prologue(self, begin: str) -> str:
        """Returns the commands that begin a transaction: `begin`, and what a pooler does not keep."""
        if not self._address.pooled:
            return begin
        settings = [f"SET LOCAL {name} = '{value}'" for name, value in self._settings.items()]
        return "; ".join([begin, *settings, f"SELECT set_config('{SETTING}', '', true)"])

    @contextlib.asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """Lends a connection. It is dropped if the block ends by an exception. Raises Unavailable."""
        async with self._room:
            link = self._take() or await self._connect()
            try:
                yield link
            except BaseException:
                await asyncio.shield(link.drop())
                raise
            if self._closed or not link.is_open:
                await link.drop()
            else:
                self._idle.append(link)

    def _take(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link
        return None

    async def _connect(self) -> Link:
        try:
            connection = await self._engine.connect()
            raw = await connection.get_raw_connection()
        except Exception as error:
            explained = explain(error, self._address.name)
            if explained is error and not is_lost(error):
                raise Unavailable(f"the database {self._address.name} cannot be used: {error}") from error
            raise explained from error
        return Link(connection, raw.driver_connection)

    def drop_idle(self) -> None:
        """Closes what is idle: the server was seen to be away, and they may not know yet."""
        while self._idle:
            dropping = asyncio.create_task(self._idle.pop().drop())
            self._dropping.add(dropping)
            dropping.add_done_callback(self._dropping.discard)

    async def close(self) -> None:
        """Closes what is idle; what is lent is closed when it comes back."""
        self._closed = True
        self.drop_idle()
        await asyncio.gather(*self._dropping)
        await self._engine.dispose()
